"""Pulls that crash, overlap and lose their cursor, against a small model of WeCom's stream."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kf_gateway.cursor import Progress
from kf_wecom.replies import SyncPage

PAGE = 3
FIRST_RUN_SECONDS = 600.0


@dataclass
class Reading:
    """One puller between its pages; what it stores is refused when somebody stored since."""

    progress: Progress
    revision: int


@dataclass
class Bucket:
    """The cursor's key with its revision."""

    progress: Progress | None = None
    revision: int = 0


@dataclass
class Consumer:
    """What dialog has: each item once, by its number, and whether it may be answered."""

    seen: dict[int, bool] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)

    def take(self, number: int, *, answerable: bool) -> None:
        if number not in self.seen:
            self.seen[number] = answerable
            self.order.append(number)


class Paging(RuleBasedStateMachine):
    """Two pullers at most at a time; a crash may come between publishing a page and storing its cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000.0
        self.sent: list[float] = []
        self.bucket, self.consumer = Bucket(), Consumer()
        self.readings: list[Reading] = []
        self.first_pull_at = 0.0

    @rule(count=st.integers(1, 7), seconds=st.integers(0, 900))
    def customers_write(self, count: int, seconds: int) -> None:
        for _ in range(count):
            self.now += seconds / count
            self.sent.append(self.now)

    @precondition(lambda self: len(self.readings) < 2)
    @rule()
    def a_puller_begins(self) -> None:
        if self.bucket.progress is None:
            self.first_pull_at = self.now
            self.bucket = Bucket(Progress.first_run(self.now, FIRST_RUN_SECONDS), 1)
        assert self.bucket.progress is not None
        self.readings.append(Reading(self.bucket.progress, self.bucket.revision))

    @precondition(lambda self: self.readings)
    @rule(which=st.integers(0, 1), crash=st.booleans())
    def a_puller_reads_a_page(self, which: int, crash: bool) -> None:
        reading = self.readings[which % len(self.readings)]
        start = int(reading.progress.cursor or 0)
        numbers = range(start, min(start + PAGE, len(self.sent)))
        for number in numbers:
            self.consumer.take(number, answerable=reading.progress.answerable(self.sent[number]))
        page = SyncPage(
            next_cursor=str(numbers.stop) if numbers else "", has_more=numbers.stop < len(self.sent)
        )
        newest = max((self.sent[number] for number in numbers), default=0.0)
        after = reading.progress.after(page, newest, self.now)
        if crash or reading.revision != self.bucket.revision:
            self.readings.remove(reading)
            return
        self.bucket = Bucket(after, self.bucket.revision + 1)
        reading.progress, reading.revision = after, self.bucket.revision
        if not page.has_more:
            self.readings.remove(reading)

    @precondition(lambda self: self.readings)
    @rule(which=st.integers(0, 1))
    def wecom_refuses_the_cursor(self, which: int) -> None:
        reading = self.readings[which % len(self.readings)]
        if reading.progress.cursor:
            reading.progress = reading.progress.restarted()

    @invariant()
    def nothing_is_passed_over(self) -> None:
        """Whatever lies before the stored cursor was published."""
        if self.bucket.progress and self.bucket.progress.cursor:
            assert set(range(int(self.bucket.progress.cursor))) <= set(self.consumer.seen)

    @invariant()
    def the_first_time_items_come_they_come_in_order(self) -> None:
        assert self.consumer.order == sorted(self.consumer.order)

    @invariant()
    def only_the_history_of_the_first_run_goes_unanswered(self) -> None:
        for number, answerable in self.consumer.seen.items():
            history = self.sent[number] < self.first_pull_at - FIRST_RUN_SECONDS
            assert answerable is not history, f"item {number}"


TestPaging = Paging.TestCase
TestPaging.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
