"""service_state over HTTP (section 6)."""

from __future__ import annotations

from kf_simulator.api import Api, Call, text_field
from kf_simulator.errors import WireError
from kf_simulator.records import Json
from kf_simulator.sessions import Sessions
from kf_simulator.world import World


class SessionApi:
    """Who holds a chat."""

    def __init__(self, world: World, sessions: Sessions) -> None:
        self._world = world
        self._sessions = sessions

    def register(self, api: Api) -> None:
        """Serve the paths."""
        api.add("kf/service_state/get", self.state_get)
        api.add("kf/service_state/trans", self.state_trans)

    def state_get(self, call: Call) -> Json:
        """service_state/get."""
        open_kfid = text_field(call.body, "open_kfid")
        self._world.account(open_kfid)
        customer = text_field(call.body, "external_userid")
        return self._sessions.state(self._world.conversation(open_kfid, customer))

    def state_trans(self, call: Call) -> Json:
        """service_state/trans."""
        open_kfid = text_field(call.body, "open_kfid")
        self._world.account(open_kfid)
        conversation = self._world.conversation(open_kfid, text_field(call.body, "external_userid"))
        target = call.body.get("service_state")
        if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target <= 4:
            raise WireError(40058, "field `service_state` out of range. invalid Request Parameter")
        servicer = text_field(call.body, "servicer_userid") if target == 3 else ""
        return self._sessions.transfer(conversation, target, servicer)
