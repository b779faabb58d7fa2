"""service_state, account, servicer and customer endpoints over HTTP (sections 6 and 7)."""

from __future__ import annotations

from kf_simulator.api import Api, Call, text_field
from kf_simulator.errors import WireError
from kf_simulator.records import Customer, Json
from kf_simulator.sessions import Sessions
from kf_simulator.world import World


class SessionApi:
    """Who holds a chat, and who takes part."""

    def __init__(self, world: World, sessions: Sessions) -> None:
        self._world = world
        self._sessions = sessions

    def register(self, api: Api) -> None:
        """Serve the paths."""
        api.add("kf/service_state/get", self.state_get)
        api.add("kf/service_state/trans", self.state_trans)
        api.add("kf/account/list", self.account_list, "GET", "POST")
        api.add("kf/servicer/list", self.servicer_list, "GET")
        api.add("kf/customer/batchget", self.customer_batchget)

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

    def account_list(self, call: Call) -> Json:
        """account/list; avatar addresses are made up."""
        offset, limit = call.body.get("offset", 0), call.body.get("limit", 100)
        if not isinstance(offset, int) or not isinstance(limit, int) or offset < 0 or not 1 <= limit <= 100:
            raise WireError(40058)
        accounts = list(self._world.accounts.values())[offset : offset + limit]
        return {
            "account_list": [
                {
                    "open_kfid": account.open_kfid,
                    "name": account.name,
                    "avatar": "",
                    "manage_privilege": account.granted,
                }
                for account in accounts
            ]
        }

    def servicer_list(self, call: Call) -> Json:
        """servicer/list: status 0 serves, 1 has stopped."""
        self._world.account(text_field(dict(call.query), "open_kfid"))
        return {
            "servicer_list": [
                {"userid": one.userid, "status": one.status}
                | ({"stop_type": one.stop_type} if one.status == 1 else {})
                for one in self._world.servicers.values()
            ]
        }

    def customer_batchget(self, call: Call) -> Json:
        """customer/batchget: only customers of the last 48 h, the others are in the invalid list."""
        wanted = call.body.get("external_userid_list")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= 100:
            raise WireError(40058, "field `external_userid_list` needs 1 to 100 ids")
        found, invalid = [], []
        for external_userid in wanted:
            customer = self._world.customers.get(external_userid)
            profile = (
                self._profile(customer, call.body.get("need_enter_session_context") == 1)
                if customer
                else None
            )
            if profile:
                found.append(profile)
            else:
                invalid.append(external_userid)
        return {"customer_list": found, "invalid_external_userid": invalid}

    def _profile(self, customer: Customer, with_context: bool) -> Json | None:
        seen = self._world.seen_lately(customer.external_userid)
        if not seen:
            return None
        profile: Json = {
            "external_userid": customer.external_userid,
            "nickname": customer.nickname,
            "avatar": customer.avatar,
            "gender": customer.gender,
        }
        if with_context:
            profile["enter_session_context"] = {"scene": seen[0].scene, "scene_param": seen[0].scene_param}
        return profile
