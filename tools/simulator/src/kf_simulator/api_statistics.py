"""get_corp_statistic and get_servicer_statistic, counted from the transcripts (section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from kf_simulator.api import Api, Call, text_field
from kf_simulator.errors import WireError
from kf_simulator.records import Entry, Json
from kf_simulator.world import World

_BEIJING = timezone(timedelta(hours=8))
_DAY = 86_400
_SPAN_MAX_DAYS, _AGE_MAX_DAYS = 31, 180
_NO_RATES = ("ai_transfer_rate", "ai_knowledge_hit_rate")
_NO_SERVICER_RATES = ("reply_rate", "satisfaction_participation_rate", "satisfied_rate", "dissatisfied_rate")


class StatisticApi:
    """Numbers per day of Beijing time; rates that the simulator has no facts for are 0."""

    def __init__(self, world: World) -> None:
        self._world = world

    def register(self, api: Api) -> None:
        """Serve the paths."""
        api.add("kf/get_corp_statistic", self.corp)
        api.add("kf/get_servicer_statistic", self.servicers)

    def corp(self, call: Call) -> Json:
        """get_corp_statistic of one account, or of all."""
        return {"statistic_list": [_day(day, self._corp_of_day(call, day)) for day in self._days(call.body)]}

    def servicers(self, call: Call) -> Json:
        """get_servicer_statistic; `servicer_userid` narrows it to one person."""
        return {
            "statistic_list": [_day(day, self._people_of_day(call, day)) for day in self._days(call.body)]
        }

    def _days(self, body: Json) -> list[int]:
        """The days' first seconds; 40058 unless start <= end <= yesterday, 31 days at most, 180 days back."""
        begin, end = body.get("start_time"), body.get("end_time")
        if not isinstance(begin, int) or not isinstance(end, int):
            raise WireError(40058, "start_time and end_time are needed. invalid Request Parameter")
        today = _midnight(self._world.clock.now())
        first, last = _midnight(begin), _midnight(end)
        days = (last - first) // _DAY + 1
        oldest = today - _AGE_MAX_DAYS * _DAY
        if first > last or last >= today or first < oldest or days > _SPAN_MAX_DAYS:
            raise WireError(40058, "start_time or end_time out of range. invalid Request Parameter")
        return [first + number * _DAY for number in range(days)]

    def _corp_of_day(self, call: Call, day: int) -> Json:
        chats = [[line.direction for line in lines] for lines in self._lines(call, day)]
        asked = [directions for directions in chats if "customer" in directions]
        return {
            "session_cnt": len(asked),
            "customer_cnt": len(asked),
            "customer_msg_cnt": sum(directions.count("customer") for directions in asked),
            "upgrade_service_customer_cnt": 0,
            "ai_session_reply_cnt": sum("app" in directions for directions in asked),
            "msg_rejected_customer_cnt": 0,
        } | dict.fromkeys(_NO_RATES, 0.0)

    def _people_of_day(self, call: Call, day: int) -> Json:
        userid = call.body.get("servicer_userid")
        served = []
        for lines in self._lines(call, day):
            said = [line for line in lines if line.direction == "servicer"]
            if any(userid in (None, line.extra["servicer_userid"]) for line in said):
                served.append(lines)
        return {
            "session_cnt": len(served),
            "customer_cnt": len(served),
            "customer_msg_cnt": sum(line.direction == "customer" for lines in served for line in lines),
            "first_reply_average_sec": 0,
            "satisfaction_investgate_cnt": 0,
            "msg_rejected_customer_cnt": 0,
        } | dict.fromkeys(_NO_SERVICER_RATES, 0.0)

    def _lines(self, call: Call, day: int) -> Iterator[list[Entry]]:
        open_kfid = text_field(call.body, "open_kfid") if "open_kfid" in call.body else ""
        if open_kfid:
            self._world.account(open_kfid)
        for key, lines in self._world.transcripts.items():
            if open_kfid in ("", key[0]):
                yield [line for line in lines if day <= line.at < day + _DAY]


def _midnight(second: float) -> int:
    day = datetime.fromtimestamp(second, _BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp())


def _day(day: int, statistic: Json) -> Json:
    return {"stat_time": day, "statistic": statistic}
