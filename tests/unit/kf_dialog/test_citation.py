import pytest
from kf_dialog.citation import read_citations

KNOWN = {"p1": "", "p2": "", "t1": ""}


@pytest.mark.parametrize(
    ("reply", "text", "ids"),
    [
        ("七天可退。[[p1]]", "七天可退。", ("p1",)),
        ("七天可退 [p1]。包邮[[p2]]。", "七天可退。包邮。", ("p1", "p2")),
        ("可以[p1, p2]", "可以", ("p1", "p2")),
        ("可以【p1、p2】", "可以", ("p1", "p2")),
        ("可以（来源：p1）", "可以", ("p1",)),
        ("yes (source: p2)", "yes", ("p2",)),
        ("已发货[[t1]]", "已发货", ("t1",)),
        ("可以[[P1]]", "可以", ("p1",)),
        ("可以[^p1]", "可以", ("p1",)),
        ("可以[[passage p1]]", "可以", ("p1",)),
        ("[[p2]]可以[[p2]]", "可以", ("p2",)),
        ('<passage id="p1">可以</passage>', "可以", ()),
        ("没有标注", "没有标注", ()),
    ],
)
def test_marks_are_read_and_taken_out(reply: str, text: str, ids: tuple[str, ...]) -> None:
    cited = read_citations(reply, KNOWN)
    assert (cited.text, cited.ids, cited.unknown) == (text, ids, 0)


def test_a_mark_of_something_never_given_is_taken_out_and_counted() -> None:
    cited = read_citations("免费[[p9]]，包邮[[p1]]", KNOWN)
    assert (cited.text, cited.ids, cited.unknown) == ("免费，包邮", ("p1",), 1)


@pytest.mark.parametrize("text", ["手机【P30】有货", "（p9）", "[图片]", "选项[A1B]", "数组 a[0]"])
def test_brackets_that_are_no_marks_stay(text: str) -> None:
    assert read_citations(text, KNOWN).text == text


@pytest.mark.parametrize("part", ["[", "[[p1", "[p1,", "（来源：", " ", "<passage ", "p1、"])
def test_hostile_repetition_takes_linear_time(part: str) -> None:
    """At this length anything quadratic runs into the suite's timeout."""
    read_citations((part * 50_000)[:50_000], KNOWN)
