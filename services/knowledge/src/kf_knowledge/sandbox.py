"""Reads a document in a process of its own: bounded memory and time, no settings, no files, no secrets."""

import asyncio
import json
import resource
import sys
from dataclasses import asdict
from typing import Any

from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.passages import Format, Passage
from kf_knowledge.reading import Reading, read_bytes

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 60
_WALL_SECONDS = 120.0
_RESULT_BYTES = 64 * 1024 * 1024
_AT_ONCE = 2
_BROKEN = "The file makes its reader {}: it is damaged or made to do harm"


class Sandbox:
    """Starts one process for each document, two at a time."""

    def __init__(self, cpu_seconds: int = CPU_SECONDS) -> None:
        self._cpu_seconds = cpu_seconds
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def read(self, kind: Format, content: bytes) -> Reading:
        """What `reading.read_bytes` says.

        Raises:
            InvalidDocumentError: it cannot be read, or not within the limits.
        """
        async with self._places:
            answer = await _asked(kind, content, self._cpu_seconds)
        if "fault" in answer:
            raise InvalidDocumentError(str(answer["fault"]))
        return Reading(str(answer["title"]), [_passage(row) for row in answer["passages"]])


async def _asked(kind: Format, content: bytes, cpu_seconds: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-IB", "-m", "kf_knowledge.sandbox", str(int(kind)), str(cpu_seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    sending, receiving = process.stdin, process.stdout
    if sending is None or receiving is None:
        raise RuntimeError("a process started with pipes has none")
    try:
        async with asyncio.timeout(_WALL_SECONDS):
            try:
                sending.write(content)
                await sending.drain()
                sending.close()
                answer = await _all(receiving)
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
            if len(answer) <= _RESULT_BYTES:
                await process.wait()
    except TimeoutError:
        raise InvalidDocumentError(_BROKEN.format("take minutes")) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not answer or len(answer) > _RESULT_BYTES:
        raise InvalidDocumentError(_BROKEN.format("crash or run out of time"))
    answered: dict[str, Any] = json.loads(answer)
    return answered


async def _all(stream: asyncio.StreamReader) -> bytes:
    """What comes, as far as it may go; the process is ended when there is more."""
    parts = bytearray()
    while len(parts) <= _RESULT_BYTES and (part := await stream.read(1 << 20)):
        parts += part
    return bytes(parts)


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(**{**row, "headings": tuple(row["headings"]), "similar": tuple(row["similar"])})


def main() -> None:
    """Entry point of the process: the document comes on stdin, what it says leaves on stdout as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    seconds = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        reading = read_bytes(Format(int(sys.argv[1])), sys.stdin.buffer.read())
    except InvalidDocumentError as error:
        answer: dict[str, Any] = {"fault": str(error)}
    except MemoryError:
        answer = {"fault": f"The file needs more than {MEMORY_BYTES // 2**20} MiB of memory to be read"}
    except Exception as error:  # noqa: BLE001 (parsers raise anything; the kind is told, the words may quote text)
        answer = {"fault": f"The file is damaged: its reader ends with {type(error).__name__}"}
    else:
        answer = {"title": reading.title, "passages": [asdict(passage) for passage in reading.passages]}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
