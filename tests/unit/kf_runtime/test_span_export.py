"""Receivers that are down, slow or refuse; processes that are killed: what becomes of their spans."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kf_runtime.span_export import SpanShipper
from kf_runtime.span_journal import Journal
from kf_runtime.spans import Tracer, Tracers
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

RESOURCE = {"service.name": "kf-test"}


class Receiver:
    """Takes requests, or refuses them, or keeps their sender waiting."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.refuses = False
        self.open = threading.Event()
        self.open.set()

    def __call__(self, request: bytes) -> bool:
        self.open.wait(30)
        if self.refuses:
            return False
        for resource_spans in ExportTraceServiceRequest.FromString(request).resource_spans:
            assert resource_spans.resource.attributes[0].value.string_value == "kf-test"
            self.names += [span.name for scope in resource_spans.scope_spans for span in scope.spans]
        return True


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


Make = Callable[..., tuple[SpanShipper, Tracer]]


@pytest.fixture
def make(receiver: Receiver) -> Iterator[Make]:
    made: list[SpanShipper] = []

    def shipper(folder: Path | None = None, **options: float) -> tuple[SpanShipper, Tracer]:
        journal = Journal(folder, RESOURCE) if folder else None
        made.append(SpanShipper(receiver, RESOURCE, journal, **{"delay": 0.02, **options}))  # type: ignore[arg-type]
        return made[-1], Tracers(made[-1].take).get_tracer("t")

    yield shipper
    receiver.refuses = False
    receiver.open.set()
    for one in made:
        one.shutdown()


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def work(tracer: Tracer, *names: str) -> None:
    for name in names:
        tracer.start_span(name).end()


def test_spans_arrive_in_order_with_their_resource(receiver: Receiver, make: Make) -> None:
    shipper, tracer = make(batch=2)
    work(tracer, *"abcde")
    assert shipper.flush()
    assert receiver.names == list("abcde")
    assert (shipper.held, shipper.dropped) == (0, 0)


def test_a_receiver_that_is_away_for_a_moment_costs_nothing(receiver: Receiver, make: Make) -> None:
    shipper, tracer = make(delay=0.2)
    receiver.refuses = True
    work(tracer, "a", "b")
    time.sleep(0.3)
    receiver.refuses = False
    work(tracer, "c")
    assert shipper.flush()
    assert receiver.names == ["a", "b", "c"]


def test_what_is_refused_again_and_again_is_dropped_and_counted(receiver: Receiver, make: Make) -> None:
    shipper, tracer = make()
    receiver.refuses = True
    work(tracer, "a", "b", "c")
    until(lambda: shipper.dropped == 3)
    assert shipper.held == 0


def test_a_receiver_that_hangs_stops_nobody_and_the_queue_stays_bounded(
    receiver: Receiver, make: Make
) -> None:
    shipper, tracer = make(most=100, batch=10)
    receiver.open.clear()
    work(tracer, *(["x"] * 10_000))
    assert shipper.held == 100
    assert shipper.dropped == 9_900
    receiver.open.set()
    assert shipper.flush()
    assert len(receiver.names) == 100


def test_the_end_waits_for_what_is_queued_but_not_for_a_dead_receiver(receiver: Receiver, make: Make) -> None:
    shipper, tracer = make(delay=60)
    work(tracer, "last")
    shipper.shutdown()
    assert receiver.names == ["last"]
    work(tracer, "after the end")
    assert receiver.names == ["last"]


def test_unsent_spans_of_a_stopped_process_are_sent_by_the_next(
    receiver: Receiver, make: Make, tmp_path: Path
) -> None:
    receiver.refuses = True
    shipper, tracer = make(tmp_path, delay=60)
    work(tracer, "kept")
    shipper.shutdown()
    assert receiver.names == []
    receiver.refuses = False
    make(tmp_path)
    until(lambda: receiver.names == ["kept"])


def test_the_spans_of_a_process_that_lives_are_left_to_it(
    receiver: Receiver, make: Make, tmp_path: Path
) -> None:
    shipper, tracer = make(tmp_path, delay=60)
    work(tracer, "mine")
    other, tracer = make(tmp_path)
    work(tracer, "other")
    assert other.flush()
    other.shutdown()
    assert receiver.names == ["other"]
    shipper.shutdown()
    assert receiver.names == ["other", "mine"]


def test_sent_spans_leave_no_file(make: Make, tmp_path: Path) -> None:
    shipper, tracer = make(tmp_path)
    work(tracer, *"abc")
    assert shipper.flush()
    until(lambda: not list(tmp_path.iterdir()))


CHILD = """
import sys, time
from pathlib import Path
from kf_runtime.span_export import SpanShipper
from kf_runtime.span_journal import Journal
from kf_runtime.spans import Tracers
resource = {"service.name": "kf-test"}
shipper = SpanShipper(lambda _: False, resource, Journal(Path(sys.argv[1]), resource), delay=60)
for name in "abc":
    Tracers(shipper.take).get_tracer("t").start_span(name).end()
print("ended", flush=True)
time.sleep(60)
"""


def test_spans_that_had_ended_before_a_kill_9_are_sent_by_another_process(
    receiver: Receiver, make: Make, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ended\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert len(list(tmp_path.glob("*.spans"))) == 1
    make(tmp_path)
    until(lambda: receiver.names == ["a", "b", "c"])
    until(lambda: not list(tmp_path.iterdir()))


def test_a_folder_that_cannot_be_written_costs_no_span(
    receiver: Receiver, make: Make, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    shipper, tracer = make(tmp_path / "file" / "spans")
    work(tracer, "a")
    assert shipper.flush()
    assert receiver.names == ["a"]


def test_a_segment_that_is_full_begins_another(receiver: Receiver, make: Make, tmp_path: Path) -> None:
    shipper, tracer = make(tmp_path, delay=60, batch=100_000)
    for _ in range(30):
        tracer.start_span("long", attributes={"padding": "x" * 100_000}).end()
    assert len(list(tmp_path.glob("*.spans"))) == 3
    assert shipper.flush()
    assert receiver.names == ["long"] * 30


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, b"\x05\x00\x00\x00nonsense"])
def test_a_damaged_segment_is_removed(make: Make, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "0.spans").write_bytes(damage)
    make(tmp_path)
    until(lambda: not list(tmp_path.glob("*.spans")))
