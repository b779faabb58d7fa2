"""What the checks of one examination share: the target, opened connections, what was learned on the way."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kf_runtime.postgres import Pool
from kf_wecom.client import WecomClient
from kf_wecom.replies import Account
from nats.aio.client import Client

from kf_cli.doctor.target import Target


@dataclass
class System:
    """Filled by the checks in order of dependency: who needs a connection names the check that opens it."""

    target: Target
    stack: AsyncExitStack
    wrong_settings: set[str] = field(default_factory=set)
    """Names that are missing or malformed: what needs them is not tried."""
    facts: dict[str, str] = field(default_factory=dict)
    """Versions and the like, by name."""
    accounts: list[Account] = field(default_factory=list)
    _database: Pool | None = None
    _nats: Client | None = None
    _wecom: WecomClient | None = None

    @property
    def database(self) -> Pool:
        """The pool that the check `postgres` made."""
        assert self._database is not None, "needs the check postgres"  # noqa: S101
        return self._database

    @property
    def nats(self) -> Client:
        """The connection that the check `nats` made."""
        assert self._nats is not None, "needs the check nats"  # noqa: S101
        return self._nats

    @property
    def wecom(self) -> WecomClient:
        """The client that the check `gettoken` made."""
        assert self._wecom is not None, "needs the check gettoken"  # noqa: S101
        return self._wecom

    def keep(self, connection: Any) -> None:
        """Remember what a check opened."""
        match connection:
            case Client():
                self._nats = connection
            case WecomClient():
                self._wecom = connection
            case _:
                self._database = connection

    def get(self, name: str) -> str:
        """A setting or its default."""
        return self.target.get(name)


@asynccontextmanager
async def open_system(target: Target) -> AsyncIterator[System]:
    """A system whose connections are closed at the end."""
    async with AsyncExitStack() as stack:
        yield System(target, stack)
