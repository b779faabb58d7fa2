"""What a claim gives to a replica: one part of one customer, or a wait; and what came of settling it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wait:
    """Nothing may be sent now: for this many seconds, or (None) until there is something to send."""

    seconds: float | None


@dataclass(frozen=True)
class Claimed:
    """One part of one customer, claimed for one attempt that has already been counted."""

    slot_id: int
    fence: int
    look_first: bool
    queued_seconds: float
    open_kfid: str
    external_userid: str = field(repr=False)
    command_id: str
    part_no: int
    parts_total: int
    msgid: str
    text: str = field(repr=False)
    attempt: int
    mends: int
    was_under_way: bool
    """An earlier attempt's outcome is not known: it may have been sent already."""
    carrier: dict[str, str]
    kind: str = "send_reply"
    payload: str | None = field(default=None, repr=False)
    """The command as it came, for kinds that are more than their text."""

    @property
    def customer(self) -> tuple[str, str]:
        """The key of the customer's queue."""
        return self.open_kfid, self.external_userid


@dataclass(frozen=True)
class Settled:
    """What came of settling: False when somebody else has claimed the customer since."""

    recorded: bool
    alert_pause_seconds: float | None = None
    """Set when an operator is to be alerted now: the account rests for this long."""
    account_resumed: bool = False
