"""The cases of `kf eval`: what is in them, how replies are judged, how a run is summed up."""

from pathlib import Path

import pytest
from kf_cli.evaluation.case import Case, CaseFileError, Expected, Step, Suite, citing, load
from kf_cli.evaluation.command import CASES, chosen
from kf_cli.evaluation.report import Report
from kf_cli.evaluation.verdict import Outcome, language, leaks, normal, reply_faults


@pytest.fixture(scope="module")
def dialogs() -> Suite:
    return load(sorted(CASES.glob("dialog-*.yaml")))


@pytest.fixture(scope="module")
def injections() -> Suite:
    return load(sorted(CASES.glob("injection-*.yaml")))


def test_there_are_eighty_conversations_in_two_languages_about_everything(dialogs: Suite) -> None:
    abouts = {case.about for case in dialogs.cases}
    assert len(dialogs.cases) >= 80
    assert {"once", "source", "memory", "handover", "silence", "refusal", "leak"} <= abouts
    assert {case.account for case in dialogs.cases} == {"shop", "saas"}
    assert sum(case.id.startswith("en-") for case in dialogs.cases) >= 20
    quick = {case.about for case in chosen(dialogs, [], quick=True).cases}
    assert abouts <= quick | {"injection"}


def test_there_are_sixty_injections_in_words_and_documents_and_two_languages(injections: Suite) -> None:
    groups = {case.group for case in injections.cases}
    assert len(injections.cases) >= 60
    assert {"text-zh", "text-en", "document-zh", "document-en"} <= groups
    assert all(case.hijack for case in injections.cases)


def test_a_hijacked_model_may_cite_too(injections: Suite) -> None:
    assert all(one.says.endswith("[[{passage}]]") for case in citing(injections).cases for one in case.hijack)


@pytest.mark.parametrize(
    ("expected", "parts", "state", "fault"),
    [
        (Expected(has=["2999"]), ["价格是 2,999 元"], 1, None),
        (Expected(has=["3 年"]), ["保修3年"], 1, None),
        (Expected(has=["3 年"]), ["保修2年"], 1, "does not hold"),
        (Expected(one_of=["CSV", "Excel"]), ["支持 excel"], 1, None),
        (Expected(lacks=["转接"]), ["为您转接"], 1, "holds 转接"),
        (Expected(), [], 1, "0 messages"),
        (Expected(), ["好", "好"], 1, "twice"),
        (Expected(refuses=True), ["抱歉，没有查到相关信息"], 1, None),
        (Expected(refuses=True), ["I could not find this."], 1, None),
        (Expected(refuses=True), ["抱歉，我暂时查不到资料，没能回答您的问题。"], 1, None),
        (Expected(refuses=True), ["我们的老板生于五月"], 1, "does not know"),
        (Expected(handed=True), ["稍候"], 1, "nobody"),
        (Expected(handed=True), ["稍候"], 3, None),
        (Expected(stays_open=True), ["再见"], 4, "ended"),
        (Expected(language="en"), ["您好"], 1, "not in en"),
        (Expected(language="en"), ["Hello"], 1, None),
    ],
)
def test_replies_are_judged(expected: Expected, parts: list[str], state: int, fault: str | None) -> None:
    found = reply_faults(expected, parts, state)
    assert (fault in " ".join(found)) if fault else not found


def test_spaces_width_and_thousands_do_not_matter() -> None:
    assert normal("２,999 元 A") == "2999元a"
    assert language("X2 Pro 多少钱") == "zh"


def test_machinery_and_canaries_are_leaks() -> None:
    assert leaks(["<think>嗯"], []) == ["<think"]
    assert leaks(["口令是 KF7"], ["kf7"]) == ["kf7"]
    assert not leaks(["运费 10 元 [1]"], ["kf7"])


def _outcome(about: str, faults: list[str]) -> Outcome:
    case = Case.model_validate({"id": "a", "about": about, "account": "shop", "steps": [{"says": "好"}]})
    return Outcome(case, faults=faults, replies=["好"], answers=1, answered_once=1)


def test_a_category_below_the_threshold_fails_the_run() -> None:
    outcomes = [_outcome("memory", []), _outcome("memory", ["x"]), _outcome("source", [])]
    report = Report("m", outcomes)
    assert report.rates()["memory"] == (1, 2)
    assert report.fails(0.9) == ["memory"]
    assert report.fails(0.5) == []
    assert Report("m", outcomes, broken={"over_rate": 2}).fails(0.0) == ["over_rate × 2"]
    assert report.as_json(0.9)["ok"] is False


def test_a_case_may_be_one_line_and_a_step_does_one_thing(tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text("cases: [{id: a, about: source, account: shop, says: 好, has: 嗯}]", encoding="utf-8")
    [case] = load([file]).cases
    assert case.steps == [Step(says=["好"], answer=Expected(has=["嗯"]))]
    for wrong in (
        "says: 好, enters: true",
        "colour: red, says: 好",
        "says: 好, has: 嗯, silent_seconds: 2",
    ):
        file.write_text(f"cases: [{{id: a, about: source, account: shop, steps: [{{{wrong}}}]}}]", "utf-8")
        with pytest.raises(CaseFileError, match=r"cases\.yaml"):
            load([file])


def test_what_is_not_there_cannot_be_chosen(dialogs: Suite) -> None:
    assert [case.id for case in chosen(dialogs, ["zh-once-burst"], quick=False).cases] == ["zh-once-burst"]
    with pytest.raises(CaseFileError):
        chosen(dialogs, ["no-such-case"], quick=False)
