from kf_dialog.knowledge import merge
from kf_dialog.prompt import Passage


def ranking(*names: str) -> list[Passage]:
    return [Passage(name, "t", name) for name in names]


def ids(passages: tuple[Passage, ...]) -> list[str]:
    return [passage.passage_id for passage in passages]


def test_rankings_take_turns_and_each_passage_comes_once() -> None:
    assert ids(merge([ranking("a", "b", "c"), ranking("b", "d")], 5)) == ["a", "b", "d", "c"]


def test_the_limit_holds_and_nothing_found_is_nothing() -> None:
    assert ids(merge([ranking("a", "b"), ranking("c", "d")], 3)) == ["a", "c", "b"]
    assert merge([], 5) == ()
    assert merge([[], []], 5) == ()
