"""Which model is asked: the main one first, then the account's second, both within one deadline."""

import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from time import monotonic
from typing import Self

import structlog

from kf_dialog.accounts import Endpoint
from kf_dialog.model import Ask, Completion, Model, ModelError
from kf_dialog.retry import Fault, share_for_first

log = structlog.get_logger()

_LEAST_SECONDS = 1.0
_NO_KEY = "none"
"""The client wants a key; an endpoint without one ignores it."""

Open = Callable[[Endpoint, str], Model]


def open_endpoint(endpoint: Endpoint, key: str) -> Model:
    """The endpoint an accounts file describes."""
    return Model.open(endpoint.base_url, key, endpoint.model, endpoint.timeout_seconds)


class Endpoints:
    """The main model, and every second one that an accounts file names, each with a breaker of its own."""

    def __init__(
        self, main: Model, environment: Mapping[str, str] | None = None, opener: Open = open_endpoint
    ) -> None:
        """environment: where the keys of the second endpoints are."""
        self.main, self._open = main, opener
        self._environment = os.environ if environment is None else environment
        self._opened: dict[Endpoint, Model] = {}
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(main.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def complete(self, ask: Ask, deadline: float, second: Endpoint | None = None) -> Completion:
        """The answer of the first endpoint that gives one before `deadline` (of the monotonic clock).

        Raises:
            ModelError: the fault of the main endpoint, which is the one that people should mend.
        """
        left = max(_LEAST_SECONDS, deadline - monotonic())
        try:
            return await self.main.complete(ask, share_for_first(left, has_second=second is not None))
        except ModelError as error:
            if second is None:
                raise
            log.warning("model.second_asked", fault=error.fault.value)
            return await self._second(ask, deadline, second, error)

    async def _second(self, ask: Ask, deadline: float, second: Endpoint, first: ModelError) -> Completion:
        left = deadline - monotonic()
        if left < _LEAST_SECONDS:
            raise first
        try:
            return await self.of(second).complete(ask, left)
        except ModelError as error:
            log.warning("model.second_failed", fault=error.fault.value)
            # A filter of either provider says more to the customer than that the other one was down.
            raise error if error.fault is Fault.FILTERED else first from None

    def of(self, endpoint: Endpoint) -> Model:
        """The model behind an endpoint of the accounts file; opened once."""
        if endpoint not in self._opened:
            key = self._environment.get(endpoint.api_key_env or "", "") or _NO_KEY
            self._opened[endpoint] = self._open(endpoint, key)
            self._stack.push_async_callback(self._opened[endpoint].close)
        return self._opened[endpoint]
