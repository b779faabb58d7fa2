"""The scripted cases of an evaluation: who writes or does what, and what must be true of the replies."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

About = Literal[
    "once", "source", "memory", "handover", "silence", "refusal", "leak", "media", "outage", "injection"
]
"""What a case is about: the categories of the report."""

SessionState = Literal["assistant", "pool", "human", "ended"]


class CaseFileError(Exception):
    """A file of cases cannot be used; the message names it and says why."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_listed)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Checked):
    """What must be true of the messages that answer a step; letter case and spaces do not count."""

    has: Words = []
    """All of these."""
    one_of: Words = []
    lacks: Words = []
    parts: tuple[int, int] = (1, 2)
    """Fewest and most messages."""
    refuses: bool = False
    """It says that it does not know, instead of an answer."""
    language: Literal["zh", "en"] | None = None
    """Of the reply."""
    handed: bool = False
    """The chat is a person's or in the pool afterwards."""
    stays_open: bool = False
    """The session is not ended."""


class Step(_Checked):
    """Something that a customer or a servicer does. Exactly one of the deeds, which come first."""

    says: Words = []
    """Texts sent one right after the other: one question."""
    taps: str = ""
    """The title of a line of the last menu that the customer got."""
    sends: dict[str, Any] = {}
    """Anything else: {msgtype: ..., body: {...}}."""
    recalls: bool = False
    """Takes the last message back."""
    enters: bool = False
    """Opens the chat."""
    servicer: Literal["take", "say", "end"] | None = None
    advance_hours: float = 0
    """Moves the clock; only in a case that runs alone."""

    who: str = "A"
    """Which customer; a second one has a chat of their own."""
    account: str = ""
    """Another account than the case's."""
    gap_seconds: float = 0.2
    """Between the texts of `says`."""
    answer: Expected | None = None
    """What the customer says is answered anyhow, unless it is `silent_seconds`."""
    silent_seconds: float = 0
    """Nothing may come for so long, nor later."""

    @model_validator(mode="after")
    def _one_deed(self) -> "Step":
        deeds = [self.says, self.taps, self.sends, self.recalls, self.enters, self.servicer]
        if sum(map(bool, [*deeds, self.advance_hours])) != 1:
            raise ValueError("a step does exactly one thing")
        if self.answer and self.silent_seconds:
            raise ValueError("a step is answered or silent")
        return self

    @property
    def expected(self) -> Expected | None:
        """What must come; None: nothing is waited for."""
        speaks = self.says or self.taps or self.sends
        return self.answer or (Expected() if speaks and not self.silent_seconds else None)


class Hijack(_Checked):
    """What a model says, or calls, that obeys the injected words; needs the simulator's model."""

    when: Words
    says: str = ""
    calls: list[dict[str, Any]] = []


class Case(_Checked):
    """One conversation."""

    id: str = Field(pattern="^[a-z0-9-]+$")
    about: About
    group: str = ""
    """A finer category for the report."""
    account: str
    """Collection of the sample that the account answers from: shop or saas."""
    steps: list[Step] = Field(min_length=1)
    smoke: bool = False
    """Part of the quick subset."""
    alone: bool = False
    """Runs while no other case does, because it changes what all share."""
    simulated: bool = False
    """Only makes sense with the simulator's model."""
    model: dict[str, Any] = {}
    """How the simulator's model behaves while it runs (PUT /control/model)."""
    servicers_online: bool = True
    hijack: list[Hijack] = []

    @property
    def category(self) -> str:
        """Its line of the report."""
        return self.group or self.about


class Suite(_Checked):
    """A file of cases."""

    never: Words = []
    """What no reply of any case may hold."""
    cases: list[Case]


def citing(suite: Suite) -> Suite:
    """The same cases against a model that also cites a real passage for what it was made to say."""
    cases = []
    for case in suite.cases:
        hijack = [one.model_copy(update={"says": f"{one.says} [[{{passage}}]]"}) for one in case.hijack]
        told = {"id": f"{case.id}-citing", "group": f"{case.category}, citing", "hijack": hijack}
        cases.append(case.model_copy(update=told))
    return suite.model_copy(update={"cases": cases})


def load(paths: Iterable[Path]) -> Suite:
    """All cases of some files as one suite.

    Raises:
        CaseFileError: no YAML, a wrong field, or an id that is used twice.
    """
    suites = [_read(path) for path in paths]
    cases = [case for suite in suites for case in suite.cases]
    ids = [case.id for case in cases]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise CaseFileError(f"ids are used twice: {', '.join(twice)}")
    return Suite(never=[words for suite in suites for words in suite.never], cases=cases)


def _read(path: Path) -> Suite:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CaseFileError(f"{path.name}: {error}") from None
    for case in raw.get("cases") or [] if isinstance(raw, dict) else []:
        if isinstance(case, dict):
            _unfold(case)
    try:
        return Suite.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CaseFileError(f"{path.name}: {place}: {first['msg']}") from None


def _unfold(case: dict[str, Any]) -> None:
    """A case without steps is its own only step; in a step, what belongs to `answer` may stand beside it."""
    if "steps" not in case:
        names = (set(Step.model_fields) | set(Expected.model_fields)) - {"account"}
        case["steps"] = [{name: case.pop(name) for name in list(case) if name in names}]
    steps: Sequence[Any] = case["steps"] if isinstance(case["steps"], list) else []
    for step in steps:
        answer = {name: step.pop(name) for name in list(step) if name in Expected.model_fields}
        if answer:
            step["answer"] = answer
