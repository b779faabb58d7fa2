"""Access tokens of the app: given out, checked, ended early (section 2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from kf_simulator import ids
from kf_simulator.clock import Clock
from kf_simulator.errors import WireError
from kf_simulator.journal import Journal
from kf_simulator.records import Json
from kf_simulator.switches import Switches
from kf_simulator.windows import Penalty

LIFETIME_SECONDS = 7200
_BAN_SECONDS = 3600.0


@dataclass
class _Token:
    expires_at: float
    void_errcode: int = 0


class AccessTokens:
    """All tokens given out; older ones stay valid until they expire or are voided."""

    def __init__(self, corp_id: str, secret: str, clock: Clock, switches: Switches, journal: Journal) -> None:
        self._corp_id = corp_id
        self._secret = secret
        self._clock = clock
        self._switches = switches
        self._journal = journal
        self._tokens: dict[str, _Token] = {}
        self._newest = ""
        self._bans: dict[str, Penalty] = {}

    def restore(self, documents: dict[str, Json]) -> None:
        """Take back the tokens that a run before this one gave out."""
        for value, document in documents.items():
            if document["expires_at"] > self._clock.now():
                self._keep(value, _Token(**document))

    def keep_all(self) -> None:
        """Put every token into the journal again, after it was rewritten."""
        for value, token in list(self._tokens.items()):
            self._keep(value, token)

    def get(self, query: Json, client_ip: str) -> Json:
        """The reply of gettoken; an address that tried too many bad secrets gets 45009 for an hour."""
        ban = self._bans.setdefault(client_ip, Penalty(_BAN_SECONDS))
        if ban.blocked(self._clock.now()):
            raise WireError(45009)
        try:
            self._check_credentials(query)
        except WireError:
            ban.exceeded(self._switches.scaled(self._switches.bad_secrets_per_hour), self._clock.now())
            raise
        value = self._current() or self._fresh()
        left = self._tokens[value].expires_at - self._clock.now()
        return {"access_token": value, "expires_in": round(left)}

    def lift_bans(self) -> None:
        """Let every address try again."""
        self._bans.clear()

    def _check_credentials(self, query: Json) -> None:
        if not query.get("corpid"):
            raise WireError(41002)
        if not query.get("corpsecret"):
            raise WireError(41004)
        if query["corpid"] != self._corp_id:
            raise WireError(40013)
        if not hmac.compare_digest(query["corpsecret"].encode(), self._secret.encode()):
            raise WireError(40001)

    def check(self, value: str) -> None:
        """41001 missing, 40014 unknown, 42001 expired, or the errcode a voided token was given."""
        if not value:
            raise WireError(41001)
        token = self._tokens.get(value)
        if token is None:
            raise WireError(40014)
        if token.void_errcode:
            raise WireError(token.void_errcode)
        if self._clock.now() >= token.expires_at:
            raise WireError(42001)

    def void(self, errcode: int) -> int:
        """End every token early; calls with them are refused with this errcode. Returns how many ended."""
        ended = 0
        for value, token in self._tokens.items():
            if not token.void_errcode:
                token.void_errcode = errcode
                self._keep(value, token)
                ended += 1
        self._newest = ""
        return ended

    def _current(self) -> str:
        token = self._tokens.get(self._newest)
        alive = token is not None and not token.void_errcode and token.expires_at > self._clock.now()
        return self._newest if alive and not self._switches.gettoken_new_each_time else ""

    def _fresh(self) -> str:
        value = ids.access_token()
        self._keep(value, _Token(self._clock.now() + LIFETIME_SECONDS))
        return value

    def _keep(self, value: str, token: _Token) -> None:
        self._tokens[value] = token
        self._newest = value
        self._journal.put(
            "token", value, {"expires_at": token.expires_at, "void_errcode": token.void_errcode}
        )
