import asyncio

import pytest
from kf_cli.embedded import Child
from kf_contracts import streams
from kf_runtime import dead_letter
from kf_runtime import nats as kf_nats
from kf_runtime.nats import Consumer, Done, Outcome, Park, Retry, StreamMissingError
from nats.aio.msg import Msg
from nats.js import JetStreamContext

CONSUMER = Consumer(
    stream="KF_INBOUND",
    durable="test",
    filter_subject="kf.inbound.*",
    template="kf.inbound.{open_kfid}",
    ack_wait=2.0,
)


async def jetstream(nats_url: str) -> JetStreamContext:
    client = await kf_nats.connect(nats_url, "test")
    js = client.jetstream()
    await kf_nats.ensure_streams(js, streams.stream_configs(1))
    return js


async def publish(js: JetStreamContext, msg_id: str) -> bool:
    return await kf_nats.publish(
        js, "kf.inbound.wk1", msg_id.encode(), msg_id=msg_id, template="kf.inbound.{open_kfid}"
    )


class Recorder:
    """A handler that answers from a script and remembers what it saw."""

    def __init__(self, stop: asyncio.Event, expected: int, *script: Outcome | Exception) -> None:
        self.seen: list[str] = []
        self.parked: list[tuple[str, str]] = []
        self._stop, self._expected, self._script = stop, expected, list(script)

    async def __call__(self, msg: Msg) -> Outcome:
        self.seen.append(msg.data.decode())
        if len(self.seen) >= self._expected:
            self._stop.set()
        outcome = self._script.pop(0) if self._script else Done()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def on_park(self, msg: Msg, reason: str) -> None:
        self.parked.append((msg.data.decode(), reason))


async def run(js: JetStreamContext, recorder: Recorder, stop: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await kf_nats.consume(
            js, CONSUMER, recorder, stop=stop, on_park=recorder.on_park, transient=(ConnectionError,)
        )


async def test_streams_can_be_ensured_twice(nats_url: str) -> None:
    js = await jetstream(nats_url)
    await kf_nats.ensure_streams(js, streams.stream_configs(1))
    await kf_nats.ensure_buckets(js, streams.bucket_configs(1))
    await kf_nats.ensure_buckets(js, streams.bucket_configs(1))
    assert {info.config.name for info in await js.streams_info()} >= {"KF_NOTICE", "KF_INBOUND", "KF_DEAD"}
    await js._nc.close()


async def test_a_message_is_delivered_in_order_once_done(nats_url: str) -> None:
    js, stop = await jetstream(nats_url), asyncio.Event()
    recorder = Recorder(stop, 3)
    for name in "abc":
        assert await publish(js, name)
    await run(js, recorder, stop)
    assert recorder.seen == ["a", "b", "c"]
    await js._nc.close()


async def test_the_same_id_is_stored_once(nats_url: str) -> None:
    js = await jetstream(nats_url)
    assert await publish(js, "a") is True
    assert await publish(js, "a") is False
    await js._nc.close()


@pytest.mark.parametrize("first", [Retry(after=0.1), ConnectionError("down"), ValueError("a bug")])
async def test_what_failed_is_delivered_again(nats_url: str, first: Outcome | Exception) -> None:
    js, stop = await jetstream(nats_url), asyncio.Event()
    recorder = Recorder(stop, 2, first)
    await publish(js, "a")
    await run(js, recorder, stop)
    assert recorder.seen == ["a", "a"]
    assert recorder.parked == []
    await js._nc.close()


async def test_a_parked_message_is_kept_elsewhere_and_not_delivered_again(nats_url: str) -> None:
    js, stop = await jetstream(nats_url), asyncio.Event()
    recorder = Recorder(stop, 2, Park("no use"))
    await publish(js, "a")
    await publish(js, "b")
    await run(js, recorder, stop)
    assert recorder.seen == ["a", "b"]
    assert recorder.parked == [("a", "no use")]
    await js._nc.close()


async def test_a_stream_that_is_gone_ends_the_service(nats_url: str) -> None:
    js, stop = await jetstream(nats_url), asyncio.Event()
    await js.delete_stream("KF_INBOUND")
    with pytest.raises(ExceptionGroup) as caught:
        await run(js, Recorder(stop, 1), stop)
    assert caught.group_contains(StreamMissingError)
    await js._nc.close()


async def test_a_letter_too_big_for_the_stream_goes_without_its_body(nats_url: str) -> None:
    js = await jetstream(nats_url)
    msg = Msg(js._nc, data=b"x" * 800_000)
    assert dead_letter.payload_base64(msg) == ""
    assert dead_letter.payload_base64(Msg(js._nc, data=b"x")) == "eA=="
    await js._nc.close()


async def test_consuming_goes_on_after_the_server_was_killed(nats_url: str, nats_server: Child) -> None:
    js, stop = await jetstream(nats_url), asyncio.Event()
    recorder = Recorder(stop, 2)
    work = asyncio.create_task(run(js, recorder, stop))
    await publish(js, "before")
    nats_server.kill()
    await asyncio.to_thread(nats_server.start)
    async with asyncio.timeout(20):
        while not js._nc.is_connected:
            await asyncio.sleep(0.1)
    await publish(js, "after")
    await work
    assert recorder.seen[-1] == "after"
    assert "before" in recorder.seen
    await js._nc.close()


async def test_a_connection_whose_server_died_is_closed_without_an_error(
    nats_url: str, nats_server: Child
) -> None:
    client = await kf_nats.connect(nats_url, "test")
    nats_server.kill()
    await client.publish("anything", b"into a dead socket")
    await kf_nats.close(client)
    assert client.is_closed
