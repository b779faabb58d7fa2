"""The chat page's files, and the control API as a description to read."""

import re

from tests.fakes.simulator import SimulatorClient, running_simulator

SCRIPTS = ("chat.js", "page.js", "bubble.js", "desk.js", "faults.js", "words.js")


async def test_the_page_needs_no_other_host_and_may_run_nothing_foreign(sim: SimulatorClient) -> None:
    reply = await sim.http.get("/")
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["content-security-policy"].startswith("default-src 'self';")
    own = re.findall(r'(?:src|href)="([^"]+)"', reply.text)
    assert set(own) == {"chat.css", "chat.js", "openapi.json"}
    for name in (*own, *SCRIPTS):
        assert (await sim.http.get(f"/{name}")).status_code == 200


async def test_nothing_untrusted_is_parsed_as_html(sim: SimulatorClient) -> None:
    for name in SCRIPTS:
        script = (await sim.http.get(f"/{name}")).text
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


async def test_every_word_of_the_page_exists_in_both_languages(sim: SimulatorClient) -> None:
    words = (await sim.http.get("/words.js")).text
    chinese, english = words.split("en: {")[0], words.split("en: {")[1].split("};")[0]
    used = re.findall(r'data-(?:t|label)="(\w+)"', (await sim.http.get("/")).text)
    for name in SCRIPTS:
        used += re.findall(r'\bt\("(\w+)"\)', (await sim.http.get(f"/{name}")).text)
    panel = (await sim.http.get("/faults.js")).text
    used += [f"fault_{name}" for name in re.findall(r'\["(\w+)", \{ kind', panel)]
    assert len(used) > 50
    for name in used:
        assert f"{name}:" in chinese, name
        assert f"{name}:" in english, name


async def test_the_page_learns_traces_and_suggestions_from_the_settings() -> None:
    settings = {
        "kf_simulator_traces_url": "http://127.0.0.1:16686",
        "kf_simulator_suggestions": "怎么退货？| X1 保修多久？",
    }
    async with running_simulator(**settings) as sim:
        page = await sim.control("GET", "/control/page")
    assert page["traces_url"] == "http://127.0.0.1:16686"
    assert page["suggestions"] == ["怎么退货？", "X1 保修多久？"]


async def test_the_control_api_describes_itself_in_full(sim: SimulatorClient) -> None:
    paths = (await sim.http.get("/openapi.json")).json()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert len(operations) > 25
    assert all(operation.get("description") for operation in operations)


async def test_what_does_not_exist_is_said(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    wrong = [
        ("POST", f"/control/chats/wkno/{chat.external_userid}/messages", {"text": "x"}, 404),
        ("POST", f"/control/chats/{chat.open_kfid}/wmno/messages", {"text": "x"}, 404),
        ("POST", f"/control/chats/{chat.open_kfid}/{chat.external_userid}/messages", {}, 422),
        ("POST", f"/control/chats/{chat.open_kfid}/{chat.external_userid}/recalls", {"msgid": "x"}, 404),
        ("POST", f"/control/chats/{chat.open_kfid}/send_fails", {"msgid": "x"}, 404),
        ("POST", "/control/callback/notices/wkno", {}, 404),
        ("POST", "/control/servicers/no/status", {"open_kfid": chat.open_kfid, "status": 0}, 404),
    ]
    for method, path, body, status in wrong:
        assert (await sim.http.request(method, path, json=body)).status_code == status, path


async def test_a_new_account_works_like_the_others(sim: SimulatorClient) -> None:
    created = await sim.control("POST", "/control/accounts", name="第三个")
    assert await sim.account(2) == created["open_kfid"]
    chat = await sim.chat(2)
    await chat.write()
    assert (await chat.send())["errcode"] == 0
