"""Customers and what the corp may do with them over HTTP (section 7)."""

from __future__ import annotations

from kf_simulator.api import Api, Call, text_field
from kf_simulator.errors import WireError
from kf_simulator.records import Conversation, Customer, Json
from kf_simulator.world import World

_MEMBER, _GROUP_CHAT = 1, 2
_GROUP_CHATS = ["wrSimulatedGroupChat0000000000001"]


class CustomerApi:
    """Profiles, upgrades to a colleague's or a group's service, and the corp's standing."""

    def __init__(self, world: World) -> None:
        self._world = world

    def register(self, api: Api) -> None:
        """Serve the paths."""
        api.add("kf/customer/batchget", self.batchget)
        api.add("kf/customer/get_upgrade_service_config", self.upgrade_config, "GET")
        api.add("kf/customer/upgrade_service", self.upgrade)
        api.add("kf/customer/cancel_upgrade_service", self.cancel_upgrade)
        api.add("kf/get_corp_qualification", self.qualification, "GET")

    def batchget(self, call: Call) -> Json:
        """customer/batchget: only customers of the last 48 h, the others are in the invalid list."""
        wanted = call.body.get("external_userid_list")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= 100:
            raise WireError(40058, "field `external_userid_list` needs 1 to 100 ids")
        with_context = call.body.get("need_enter_session_context") == 1
        found, invalid = [], []
        for external_userid in wanted:
            customer = self._world.customers.get(external_userid)
            profile = self._profile(customer, with_context) if customer else None
            if profile:
                found.append(profile)
            else:
                invalid.append(external_userid)
        return {"customer_list": found, "invalid_external_userid": invalid}

    def upgrade_config(self, call: Call) -> Json:
        """get_upgrade_service_config: every servicer is an expert, and there is one group chat."""
        return {
            "member_range": {"userid_list": list(self._world.servicers), "department_id_list": []},
            "groupchat_range": {"chat_id_list": _GROUP_CHATS},
        }

    def upgrade(self, call: Call) -> Json:
        """upgrade_service to a member (type 1) or a group chat (type 2) out of the configuration."""
        conversation = self._conversation(call)
        if self._world.switches.exclusive_service:
            raise WireError(95015)
        kind = call.body.get("type")
        if kind == _MEMBER:
            if text_field(_part(call.body, "member"), "userid") not in self._world.servicers:
                raise WireError(60111)
            conversation.upgraded = {"type": kind, "member": call.body["member"]}
        elif kind == _GROUP_CHAT:
            if text_field(_part(call.body, "groupchat"), "chat_id") not in _GROUP_CHATS:
                raise WireError(40058, "invalid chat_id")
            conversation.upgraded = {"type": kind, "groupchat": call.body["groupchat"]}
        else:
            raise WireError(40058, "field `type` is neither 1 nor 2. invalid Request Parameter")
        self._world.save_conversation(conversation)
        return {}

    def cancel_upgrade(self, call: Call) -> Json:
        """cancel_upgrade_service."""
        conversation = self._conversation(call)
        conversation.upgraded = None
        self._world.save_conversation(conversation)
        return {}

    def qualification(self, call: Call) -> Json:
        """get_corp_qualification."""
        return {"wechat_channels_binding": self._world.switches.channels_bound}

    def _conversation(self, call: Call) -> Conversation:
        open_kfid = text_field(call.body, "open_kfid")
        self._world.account(open_kfid)
        conversation = self._world.conversation(open_kfid, text_field(call.body, "external_userid"))
        if conversation not in self._world.seen_lately(conversation.external_userid):
            raise WireError(95031)
        return conversation

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


def _part(body: Json, name: str) -> Json:
    part = body.get(name)
    if not isinstance(part, dict):
        raise WireError(40058, f"field `{name}` missing. invalid Request Parameter")
    return part
