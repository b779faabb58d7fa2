"""The greeting goes out past everything else; what its menu offers is answered."""

from pathlib import Path

from kf_contracts import streams
from kf_contracts.commands import SendOnEvent, decode_command

from tests.fakes.dialog import ACCOUNT, Town

ACCOUNTS = """
accounts:
  wk1:
    welcome:
      text: 欢迎光临
      menu:
        - {title: 营业时间, answer: 九点到六点}
        - {title: 多久发货？}
      scenes:
        order: {text: 请发订单号}
"""


def accounts(folder: Path, text: str = ACCOUNTS) -> dict[str, str]:
    (folder / "accounts.yaml").write_text(text, encoding="utf-8")
    return {"KF_DIALOG_ACCOUNTS_FILE": str(folder / "accounts.yaml")}


async def test_who_enters_is_greeted_on_the_urgent_subject(town: Town, tmp_path: Path) -> None:
    async with town.replica(**accounts(tmp_path)):
        await town.enters("wm1", welcome_code="CODE", scene="order", scene_param="%E5%8D%95%E5%8F%B7")
        (found,) = await town.commanded(SendOnEvent)
        visit = await town.until("SELECT scene, scene_param FROM conversation")
    assert (found.code, found.text, found.external_userid) == ("CODE", "请发订单号", "wm1")
    assert [tuple(row) for row in visit] == [("order", "单号")]
    message = await town.js.get_msg(streams.KF_OUTBOUND, 1)
    assert message.subject == f"kf.outbound.urgent.{ACCOUNT}"
    assert isinstance(decode_command(message.data or b""), SendOnEvent)


async def test_the_greeting_is_published_once_however_often_the_event_comes(
    town: Town, tmp_path: Path
) -> None:
    async with town.replica(**accounts(tmp_path)):
        msgid = await town.enters("wm1", welcome_code="CODE")
        body = {"event_type": "enter_session", "welcome_code": "CODE"}
        ids = {"open_kfid": ACCOUNT, "external_userid": "wm1"}
        again = {"msgtype": "event", "event": {**body, **ids}}
        await town.send("wm1", again, origin=4, msgid=msgid, dedup="again")
        await town.say("wm1", "多久发货？")
        await town.replied(1)
        assert len(await town.commanded(SendOnEvent)) == 1


async def test_a_tapped_line_with_an_answer_is_answered_without_the_model(town: Town, tmp_path: Path) -> None:
    async with town.replica(**accounts(tmp_path)):
        tap = {"content": "营业时间", "menu_id": "kf.faq"}
        await town.send("wm1", {"msgtype": "text", "text": tap})
        (reply,) = await town.replied(1)
    assert reply.text == "九点到六点"
    assert town.model.prompts == []
    (turn,) = await town.rows("SELECT outcome FROM turn")
    assert turn[0] == "answered_from_menu"


async def test_a_changed_accounts_file_greets_otherwise_without_a_restart(town: Town, tmp_path: Path) -> None:
    async with town.replica(**accounts(tmp_path)):
        await town.enters("wm1", welcome_code="A")
        await town.commanded(SendOnEvent)
        accounts(tmp_path, "accounts: {wk1: {welcome: {text: 新的问候}}}\n")
        number = 1
        while (await town.commands())[-1].text != "新的问候":  # type: ignore[union-attr]
            number += 1
            await town.enters("wm1", welcome_code=f"B{number}")
            await town.commanded(SendOnEvent, number)
