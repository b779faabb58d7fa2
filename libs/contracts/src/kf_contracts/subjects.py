"""The subject of each kind of payload; no customer id is ever part of one."""

import re

from kf_contracts.events import PayloadError

_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,64}")

NOTICE = "kf.notice"
INBOUND = "kf.inbound"
OUTBOUND = "kf.outbound"
URGENT = "kf.outbound.urgent"
"""SendOnEvent goes here: its 20 s must not pass behind a flood of ordinary commands."""
DELIVERY = "kf.delivery"
DEAD = "kf.dead"


def subject(prefix: str, name: str) -> str:
    """`kf.inbound` + open_kfid (or `kf.dead` + service) as one subject.

    Raises:
        PayloadError: name is not 1 to 64 of [0-9A-Za-z_-], so it could escape its token.
    """
    if not _TOKEN.fullmatch(name):
        raise PayloadError(f"{prefix}: the last token must be 1 to 64 of [0-9A-Za-z_-]")
    return f"{prefix}.{name}"


def is_open_kfid(value: str) -> bool:
    """True when value can be an open_kfid (sync_msg takes 64 bytes at most) and is safe in a subject."""
    return _TOKEN.fullmatch(value) is not None
