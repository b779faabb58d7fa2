"""Where the state of an access token is kept: in memory, or shared in NATS KV and encrypted at rest."""

import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from pydantic import BaseModel, ConfigDict, Field

_NONCE_BYTES = 12


class VaultUnavailableError(Exception):
    """The shared store does not answer."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class AccessToken(_Record):
    """A token and its times (epoch seconds): renew it from `renew_at` on, it is dead at `expires_at`."""

    value: str = Field(repr=False)
    renew_at: float
    expires_at: float
    fetched_at: float = 0.0
    """When WeCom gave it: a later one may well end earlier."""


class Refusal(_Record):
    """The last gettoken failed with this errcode; nobody asks again before `until`."""

    code: int
    errmsg: str
    failures: int
    until: float


class TokenState(_Record):
    """All that replicas share about one token.

    `claimed_until` is the lock of whoever fetches; `forced_at` is when a token was last replaced because
    WeCom had refused it.
    """

    token: AccessToken | None = None
    refusal: Refusal | None = None
    claimed_until: float = 0.0
    forced_at: float = 0.0


class Vault(Protocol):
    """A cell with compare-and-set."""

    async def load(self) -> tuple[TokenState, int]:
        """The state and its revision (0: nothing there yet). VaultUnavailableError."""

    async def store(self, state: TokenState, revision: int) -> int | None:
        """The new revision, or None when somebody else wrote since `revision`. VaultUnavailableError."""


class MemoryVault:
    """A cell of this process."""

    def __init__(self) -> None:
        self._state = TokenState()
        self._revision = 0

    async def load(self) -> tuple[TokenState, int]:
        """The state and its revision."""
        return self._state, self._revision

    async def store(self, state: TokenState, revision: int) -> int | None:
        """Compare and set."""
        if revision != self._revision:
            return None
        self._state, self._revision = state, revision + 1
        return self._revision


class SharedVault:
    """A cell in a KV bucket under a key that only holders of the secret can name, sealed with AES-GCM.

    Another secret gives another cell: after a rotation nobody reads the old token or its refusal.
    """

    def __init__(self, bucket: KeyValue, corp_id: str, secret: str) -> None:
        self._bucket = bucket
        derived = HKDF(
            hashes.SHA256(), length=48, salt=corp_id.encode(), info=b"kf_wecom access token"
        ).derive(secret.encode())
        self._seal = AESGCM(derived[:32])
        self._name = f"access_token.{derived[32:].hex()}"

    async def load(self) -> tuple[TokenState, int]:
        """The state and its revision; what cannot be opened counts as empty and is overwritten."""
        try:
            entry = await self._bucket.get(self._name)
        except KeyNotFoundError:
            return TokenState(), 0
        except (NatsError, OSError) as error:
            raise VaultUnavailableError from error
        return self._opened(entry.value or b""), entry.revision or 0

    async def store(self, state: TokenState, revision: int) -> int | None:
        """Compare and set."""
        try:
            if revision:
                return await self._bucket.update(self._name, self._sealed(state), last=revision)
            return await self._bucket.create(self._name, self._sealed(state))
        except KeyWrongLastSequenceError:
            return None
        except (NatsError, OSError) as error:
            raise VaultUnavailableError from error

    def _sealed(self, state: TokenState) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, state.model_dump_json().encode(), self._name.encode())

    def _opened(self, sealed: bytes) -> TokenState:
        try:
            plain = self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._name.encode())
            return TokenState.model_validate_json(plain)
        except (InvalidTag, ValueError):
            return TokenState()
