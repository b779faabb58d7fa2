"""Finds what a turn can be answered from: by rules first, by the model's rewriting where they find none."""

import structlog

from kf_dialog.case import Case
from kf_dialog.endpoints import Endpoints
from kf_dialog.knowledge import Knowledge
from kf_dialog.model import Ask, ModelError
from kf_dialog.prompt import Found
from kf_dialog.search_queries import burst_queries, rewrite_request, rewritten, wants_rewriting

log = structlog.get_logger()

_SHARE = 0.35
"""Of the time that is left, the part that looking up may take."""
_REWRITE_SECONDS = 6.0


class Research:
    """The knowledge service, asked in words that stand by themselves."""

    def __init__(self, knowledge: Knowledge, endpoints: Endpoints) -> None:
        self._knowledge, self._endpoints = knowledge, endpoints

    async def find(self, case: Case) -> Found:
        """Passages for the turn; never raises."""
        earlier = [exchange.question for exchange in case.work.history]
        queries = burst_queries(case.spoken, earlier)
        found = await self._knowledge.find(case.open_kfid, queries, case.left * _SHARE)
        if found.available and wants_rewriting(case.spoken, earlier, found=bool(found.passages)):
            query = await self._rewritten(case)
            if query and query not in queries:
                again = await self._knowledge.find(case.open_kfid, (query,), case.left * _SHARE)
                return again if again.passages else found
        return found

    async def _rewritten(self, case: Case) -> str:
        """The turn as one whole question; empty when the model cannot say it in time."""
        talk = [(exchange.question, exchange.reply) for exchange in case.work.history]
        ask = Ask(rewrite_request("\n".join(case.spoken), talk))
        try:
            completion = await self._endpoints.main.complete(ask, min(_REWRITE_SECONDS, case.left * _SHARE))
        except ModelError as error:
            log.info("search.not_rewritten", fault=error.fault.value)
            return ""
        return rewritten(completion.text)
