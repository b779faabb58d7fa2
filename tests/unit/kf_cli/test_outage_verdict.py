"""The judgement of the outage proof can fail: late replies and repeated ones are found."""

from kf_cli.simulator import Line

from tests.e2e.outage.verdict import Verdict


def line(direction: str, text: str, at: float) -> Line:
    return Line(0, direction, f"{direction}{at}", "text", text, failed=False, at=at)


def test_late_and_doubled_replies_are_found_and_merged_questions_share_one() -> None:
    verdict = Verdict()
    verdict.add(
        [
            line("customer", "一", 0),
            line("customer", "二", 1),
            line("app", "好", 3),
            line("customer", "三", 100),
            line("app", "好", 140),
            line("customer", "四", 200),
            line("app", "好", 201),
            line("app", "好", 202),
            line("customer", "五", 300),
        ],
        down=90,
        up=250,
    )
    assert (verdict.questions, verdict.during) == (5, 2)
    assert verdict.late == ["40 s: 三", "inf s: 五"]
    assert verdict.twice == ["四"]
    assert verdict.waits[:2] == [3, 2]
