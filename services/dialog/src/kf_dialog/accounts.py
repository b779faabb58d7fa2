"""What an accounts file may say about a KF account; defaults that are safe for accounts it does not name."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)")


def _utf8_at_most(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text.encode()) > limit:
            raise ValueError(f"is longer than {limit} bytes, which is what WeCom takes")
        return text

    return AfterValidator(check)


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone such as Asia/Shanghai") from None
    return name


def _spans(spans: tuple[str, ...]) -> tuple[str, ...]:
    for span in spans:
        if not _SPAN.fullmatch(span):
            raise ValueError('must be spans such as "09:00-18:00"')
        start, _, end = span.partition("-")
        if start >= end:
            raise ValueError(
                'a span must end after it starts; write a night as "20:00-24:00" and "00:00-06:00"'
            )
    return spans


Name = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
Url = Annotated[str, Field(pattern=r"^https?://\S+$", max_length=2048)]
Words = tuple[Annotated[str, Field(min_length=1, max_length=100)], ...]


class _Section(BaseModel):
    """Frozen; a misspelt name is a fault, and no fault shows a value."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        # YAML reads the word 12315 as a number.
        coerce_numbers_to_str=True,
    )


class MenuEntry(_Section):
    """One line of a menu that a customer may tap."""

    title: Annotated[str, Field(min_length=1), _utf8_at_most(128)]
    """What the customer sees, and what a tap sends."""
    answer: str = Field(default="", max_length=2000)
    """Sent as it stands when the line is tapped; empty: the title is answered like a question."""
    url: Url | None = None
    """Opens this page instead of sending anything."""


class Greeting(_Section):
    """What is said to a customer who opens the chat."""

    text: Annotated[str, _utf8_at_most(1024)] = ""
    """Empty: no greeting."""
    menu: tuple[MenuEntry, ...] = Field(default=(), max_length=10)
    """Frequent questions to tap."""
    tail: Annotated[str, _utf8_at_most(1024)] = ""
    """Stands below the menu."""


class Welcome(Greeting):
    """The greeting, and others by the scene through which the customer came."""

    scenes: dict[Annotated[str, Field(max_length=32)], Greeting] = {}
    """By the `scene` of the contact link (kf/add_contact_way)."""

    def for_scene(self, scene: str) -> Greeting:
        """The greeting of a scene, else the account's own."""
        return self.scenes.get(scene, self)


class Hours(_Section):
    """When people are at work; the bot answers at any time."""

    timezone: Annotated[str, AfterValidator(_known_timezone)] = "Asia/Shanghai"
    weekly: dict[Day, Annotated[tuple[str, ...], AfterValidator(_spans)]] = {}
    """Spans of each day, such as `mon: ["09:00-12:00", "13:30-18:00"]`; no day at all: always open."""
    closed: tuple[date, ...] = ()
    """Holidays, such as 2026-10-01."""

    def open_at(self, moment: datetime) -> bool:
        """True when people are at work at this moment (aware of its zone)."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        if local.date() in self.closed:
            return False
        spans = self.weekly.get(_DAYS[local.weekday()], ()) if self.weekly else ("00:00-24:00",)
        return any(_within(local.time(), *span.split("-")) for span in spans)

    def describe(self) -> str:
        """The weekly hours in one line, for prompts and notices; empty when always open."""
        return "; ".join(f"{day} {', '.join(self.weekly[day])}" for day in _DAYS if self.weekly.get(day))


def _within(moment: time, start: str, end: str) -> bool:
    clock = f"{moment:%H:%M}"
    return start <= clock < end


class ReservedTopic(_Section):
    """What only people may answer: its words hand the chat over."""

    name: str = Field(min_length=1, max_length=100)
    """Shown to the servicer and in the records."""
    words: Words = Field(min_length=1)
    """Any of these in a customer's message, whatever their case."""


class Topics(_Section):
    """What the bot talks about."""

    allowed: Words = ()
    """Named to the model; empty: whatever the knowledge covers."""
    reserved: tuple[ReservedTopic, ...] = ()
    """Handed to a human by policy."""


HANDOVER_WORDS = (
    *("转人工", "人工客服", "人工服务", "找人工", "要人工", "真人", "转客服", "找客服", "人工"),
    *("human agent", "real person", "live agent", "speak to a human", "talk to a human", "human please"),
)


class HandoverPolicy(_Section):
    """When and to whom the chat is handed over."""

    enabled: bool = True
    """False: nobody would take the chat, and customers are told so."""
    words: Words = HANDOVER_WORDS
    """A message that asks for a human contains one of these."""
    after_failures: int = Field(default=2, ge=0, le=20)
    """So many turns in a row without a useful answer hand the chat over; 0: never."""
    servicers: Words = ()
    """userids that may get the chat; empty: any servicer of the account."""
    pool: bool = True
    """Whether the waiting pool may have it when no servicer can."""
    notice: Annotated[str, _utf8_at_most(2048)] = ""
    """Said when a servicer got the chat; empty: a default in the customer's language."""
    waiting_notice: Annotated[str, _utf8_at_most(2048)] = ""
    """Said when the pool got it."""
    apology: Annotated[str, _utf8_at_most(2048)] = ""
    """Said when nobody could take it. The question is kept and listed by `kf unanswered`."""


class Survey(_Section):
    """The question at the end of a session."""

    enabled: bool = True
    question: Annotated[str, _utf8_at_most(1024)] = "感谢您的咨询，请问您对本次服务满意吗？"
    options: tuple[Annotated[str, Field(min_length=1), _utf8_at_most(128)], ...] = Field(
        default=("满意", "一般", "不满意"), min_length=2, max_length=5
    )
    """From best to worst; the tapped one is stored as 1, 2, 3 ..."""
    thanks: Annotated[str, _utf8_at_most(2048)] = "谢谢您的反馈，祝您生活愉快！"


class HttpTool(_Section):
    """A company's HTTP JSON endpoint that the model may call."""

    name: Name
    description: str = Field(min_length=1, max_length=1000)
    """When to use it, for the model."""
    url: Url
    method: Literal["GET", "POST"] = "POST"
    """GET sends the arguments as query, POST as JSON."""
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    """JSON Schema of the arguments: an object."""
    secret_headers: dict[str, EnvName] = {}
    """Header: name of the environment variable that holds its value."""
    customer_header: str = ""
    """Header that carries the customer's external_userid, so that the endpoint can check who asks."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=30)
    side_effects: bool = False
    """True: it changes something, and the customer confirms by menu before it is called."""
    confirmation: str = Field(default="", max_length=300)
    """What the customer is asked then; empty: a default."""


class McpServer(_Section):
    """A server of the Model Context Protocol (streamable HTTP) whose tools the model may call."""

    name: Name
    url: Url
    secret_headers: dict[str, EnvName] = {}
    """Header: name of the environment variable that holds its value."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=30)
    tools: tuple[str, ...] = ()
    """Only these; empty: all that the server offers and marks as read-only."""
    side_effects: tuple[str, ...] = ()
    """Those of them that change something: the customer confirms by menu first."""


class Tools(_Section):
    """What the model may call besides our own."""

    http: tuple[HttpTool, ...] = ()
    mcp: tuple[McpServer, ...] = ()


class Prices(_Section):
    """What a million tokens cost, for the records."""

    input_per_million: float = Field(default=0.0, ge=0)
    output_per_million: float = Field(default=0.0, ge=0)
    currency: str = Field(default="CNY", pattern=r"^[A-Z]{3}$")

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """The price of one call, in `currency`."""
        return (input_tokens * self.input_per_million + output_tokens * self.output_per_million) / 1e6


class Endpoint(_Section):
    """An OpenAI-compatible endpoint."""

    base_url: Url
    model: str = Field(min_length=1)
    api_key_env: EnvName | None = None
    """Name of the environment variable that holds the key; none: no key is sent."""
    timeout_seconds: float = Field(default=15.0, gt=0, le=60)
    prices: Prices = Prices()


class Limits(_Section):
    """Bounds of an account's conversations."""

    deadline_seconds: float = Field(default=30.0, ge=5, le=600)
    """A customer's message that is unanswered for so long is alarmed and met with a short fallback."""
    reply_chars: int = Field(default=1200, ge=100, le=8000)
    """An answer is asked to stay below this."""
    history_tokens: int = Field(default=1500, ge=0, le=100_000)
    """Of earlier turns in a prompt; what is older is summarised."""
    tool_calls: int = Field(default=4, ge=0, le=20)
    """Calls of tools in one turn."""
    media_megabytes: float = Field(default=10.0, gt=0, le=20)
    """Pictures, voices and files beyond this are not fetched."""


class Account(_Section):
    """Everything about one KF account; each field has a safe default."""

    name: str = Field(default="", max_length=100)
    """The company or shop as the bot names itself."""
    persona: str = Field(default="", max_length=2000)
    """Who the bot is and how it talks, for the model."""
    language: Literal["auto", "zh", "en"] = "auto"
    """auto: the customer's."""
    collection: Name | None = None
    """Where answers are looked up; none: KF_DIALOG_COLLECTIONS."""
    hours: Hours = Hours()
    topics: Topics = Topics()
    welcome: Welcome = Welcome(
        text="您好，我是智能客服，请直接说出您的问题。需要人工客服时，请回复“转人工”。"
    )
    handover: HandoverPolicy = HandoverPolicy()
    survey: Survey = Survey()
    sources: bool = False
    """True: an answer ends with the titles of the passages it rests on."""
    tools: Tools = Tools()
    vision: Endpoint | None = None
    """Reads pictures; none: the customer is asked for words."""
    speech: Endpoint | None = None
    """Turns voices into text (audio/transcriptions); none: the customer is asked for words."""
    fallback_model: Endpoint | None = None
    """Answers when the main model fails."""
    limits: Limits = Limits()
    prices: Prices = Prices()
    """Of the main model."""


class Records(_Section):
    """How long what customers said is kept."""

    retention_days: int = Field(default=180, ge=4, le=3650)
    """Messages, turns and conversations without news for so long are deleted."""


class AccountsDocument(_Section):
    """The accounts file."""

    records: Records = Records()
    defaults: Account = Account()
    """For accounts that are not named, and for what a named one leaves out."""
    accounts: dict[Name, Account] = {}
    """By open_kfid."""

    def merged(self) -> Self:
        """The same with what each account leaves out taken from `defaults`."""
        base = self.defaults.model_dump(exclude_unset=True)
        merged = {
            open_kfid: Account.model_validate(_over(base, account.model_dump(exclude_unset=True)))
            for open_kfid, account in self.accounts.items()
        }
        return self.model_copy(update={"accounts": MappingProxyType(merged)})


def _over(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both, `more` winning; sections are merged, everything else is replaced, a week as a whole too."""
    both = {**base, **more}
    for name in (base.keys() & more.keys()) - {"weekly"}:
        if isinstance(base[name], dict) and isinstance(more[name], dict):
            both[name] = _over(base[name], more[name])
    return both
