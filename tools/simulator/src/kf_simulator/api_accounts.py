"""KF accounts, their servicers and their chat links over HTTP (section 7)."""

from __future__ import annotations

import re
from typing import Any

from kf_simulator.api import Api, Call, text_field
from kf_simulator.errors import MESSAGES, WireError
from kf_simulator.ids import link_id
from kf_simulator.records import Account, Json
from kf_simulator.world import World

_NAME_MAX_CHARACTERS = 16
_SCENE = re.compile(r"[0-9a-zA-Z_-]{0,32}")
_USERIDS_MAX, _DEPARTMENTS_MAX = 100, 20
_LINK = "https://work.weixin.qq.com/kf/{link}?enc_scene={scene}"


class AccountApi:
    """Who the customers can talk to."""

    def __init__(self, world: World) -> None:
        self._world = world

    def register(self, api: Api) -> None:
        """Serve the paths."""
        api.add("kf/account/list", self.listing, "GET", "POST")
        api.add("kf/account/add", self.add)
        api.add("kf/account/del", self.delete)
        api.add("kf/account/update", self.update)
        api.add("kf/servicer/list", self.servicers, "GET")
        api.add("kf/servicer/add", self.servicers_add)
        api.add("kf/servicer/del", self.servicers_del)
        api.add("kf/add_contact_way", self.add_contact_way)

    def listing(self, call: Call) -> Json:
        """account/list; avatars have no address here."""
        offset, limit = call.body.get("offset", 0), call.body.get("limit", 100)
        if not isinstance(offset, int) or not isinstance(limit, int) or offset < 0 or not 1 <= limit <= 100:
            raise WireError(40058)
        return {
            "account_list": [
                {
                    "open_kfid": account.open_kfid,
                    "name": account.name,
                    "avatar": "",
                    "manage_privilege": account.granted,
                }
                for account in self._world.open_accounts[offset : offset + limit]
            ]
        }

    def add(self, call: Call) -> Json:
        """account/add: a name of up to 16 characters (95006)."""
        name = _name(call.body)
        account = self._world.new_account(name, text_field(call.body, "media_id"))
        return {"open_kfid": account.open_kfid}

    def delete(self, call: Call) -> Json:
        """account/del; the last account has to stay (95005)."""
        account = self._account(call)
        if len(self._world.open_accounts) == 1:
            raise WireError(95005, "at least one kf account is needed")
        account.deleted = True
        self._world.save_account(account)
        return {}

    def update(self, call: Call) -> Json:
        """account/update: a name, a picture, or both."""
        account = self._account(call)
        if "name" not in call.body and "media_id" not in call.body:
            raise WireError(40058, "give name or media_id. invalid Request Parameter")
        if "name" in call.body:
            account.name = _name(call.body)
        if "media_id" in call.body:
            account.media_id = text_field(call.body, "media_id")
        self._world.save_account(account)
        return {}

    def servicers(self, call: Call) -> Json:
        """servicer/list: status 0 serves, 1 has stopped."""
        account = self._world.account(text_field(dict(call.query), "open_kfid"))
        people: list[Json] = [
            {"userid": one.userid, "status": one.status}
            | ({"stop_type": one.stop_type} if one.status == 1 else {})
            for one in self._world.servicers_of(account)
        ]
        return {"servicer_list": people + [{"department_id": number} for number in account.departments]}

    def servicers_add(self, call: Call) -> Json:
        """servicer/add: who is one already is `ignored`, who is no member of the corp gets 60111."""
        account = self._account(call)
        serving = self._named(account)
        results = []
        for userid in _ids(call.body, "userid_list", _USERIDS_MAX, str):
            known, new = userid in self._world.servicers, userid not in serving
            if known and new:
                serving.append(userid)
            results.append(_result("userid", userid, 0 if known else 60111, changed=new))
        for number in _ids(call.body, "department_id_list", _DEPARTMENTS_MAX, int):
            new = number not in account.departments
            if new:
                account.departments.append(number)
            results.append(_result("department_id", number, 0, changed=new))
        return self._servicers_changed(account, serving, results)

    def servicers_del(self, call: Call) -> Json:
        """servicer/del: who is none is `ignored`."""
        account = self._account(call)
        serving = self._named(account)
        results = []
        for userid in _ids(call.body, "userid_list", _USERIDS_MAX, str):
            results.append(_result("userid", userid, 0, changed=userid in serving))
            serving = [one for one in serving if one != userid]
        for number in _ids(call.body, "department_id_list", _USERIDS_MAX, int):
            results.append(_result("department_id", number, 0, changed=number in account.departments))
            account.departments = [one for one in account.departments if one != number]
        return self._servicers_changed(account, serving, results)

    def add_contact_way(self, call: Call) -> Json:
        """add_contact_way: a chat link; `&scene_param=` may be put behind it."""
        account = self._account(call)
        scene = call.body.get("scene", "")
        if not isinstance(scene, str) or not _SCENE.fullmatch(scene):
            raise WireError(40058, "field `scene` is no [0-9a-zA-Z_-]{0,32}. invalid Request Parameter")
        way = self._world.add_contact_way(account.open_kfid, scene)
        return {"url": _LINK.format(link=link_id(account.open_kfid), scene=way.enc_scene)}

    def _account(self, call: Call) -> Account:
        return self._world.account(text_field(call.body, "open_kfid"))

    def _named(self, account: Account) -> list[str]:
        return [one.userid for one in self._world.servicers_of(account)]

    def _servicers_changed(self, account: Account, serving: list[str], results: list[Json]) -> Json:
        if not results:
            raise WireError(40058, "give userid_list or department_id_list. invalid Request Parameter")
        account.servicers = serving
        self._world.save_account(account)
        return {"result_list": results}


def _name(body: Json) -> str:
    name = text_field(body, "name")
    if len(name) > _NAME_MAX_CHARACTERS:
        raise WireError(95006)
    return name


def _ids(body: Json, name: str, limit: int, kind: type) -> list[Any]:
    values = body.get(name, [])
    if not isinstance(values, list) or len(values) > limit or not all(isinstance(v, kind) for v in values):
        raise WireError(40058, f"field `{name}` is no list of up to {limit}. invalid Request Parameter")
    return values


def _result(name: str, value: str | int, errcode: int, *, changed: bool) -> Json:
    said = MESSAGES[errcode] if errcode else "success" if changed else "ignored"
    return {name: value, "errcode": errcode, "errmsg": said}
