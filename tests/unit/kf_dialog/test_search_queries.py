import pytest
from kf_dialog.search_queries import MAX_CHARS, burst_queries, points_back, search_queries

EARPHONES = "蓝牙耳机多少钱"


@pytest.mark.parametrize(
    "text",
    [
        "那个多久保修",
        "它防水吗",
        "这款有红色的吗",
        "多少钱",
        "那运费呢",
        "还有别的颜色吗",
        "how long is it",
        "What about blue?",
    ],
)
def test_a_follow_up_is_searched_with_its_topic_first(text: str) -> None:
    queries = search_queries(text, ["今天几点开门营业呢请问一下", EARPHONES])
    assert queries[0].endswith(f"{EARPHONES} {text}")
    assert queries[1] == text


@pytest.mark.parametrize("text", ["退货要几天", "发票抬头", "shipping fee"])
def test_a_short_question_is_searched_by_itself_first(text: str) -> None:
    assert search_queries(text, [EARPHONES]) == (text, f"{EARPHONES} {text}")


@pytest.mark.parametrize(
    "text", ["你好", "谢谢啦！", "thanks!", "好的", "我昨天买的扫地机器人一直连不上家里的网络怎么解决"]
)
def test_courtesy_and_whole_questions_stand_alone(text: str) -> None:
    assert search_queries(text, [EARPHONES]) == (text,)


def test_without_history_there_is_one_query() -> None:
    assert search_queries("那个多久保修", []) == ("那个多久保修",)
    assert search_queries("那个多久保修", ["你好", "谢谢"]) == ("那个多久保修",)


def test_a_chain_of_follow_ups_leads_back_to_its_topic() -> None:
    earlier = ["几点开门", EARPHONES, "那个多久保修", "谢谢"]
    assert search_queries("它防水吗", earlier)[0] == f"{EARPHONES} 那个多久保修 它防水吗"


def test_a_burst_is_one_query_and_long_ones_are_cut() -> None:
    assert search_queries("你好\n退货要几天办好呢麻烦说一下", []) == ("你好 退货要几天办好呢麻烦说一下",)
    assert search_queries("长" * 2000, []) == ("长" * MAX_CHARS,)
    assert search_queries("它呢", ["长" * 2000])[0].endswith("它呢")


def test_each_question_of_a_burst_is_searched_by_itself_too() -> None:
    first, second = "可以开增值税专用发票吗请问一下", "买贵了的话能不能退差价给我呢麻烦"
    assert burst_queries([first, "谢谢", second], []) == (f"{first} 谢谢 {second}", first, second)


def test_a_follow_up_inside_a_burst_takes_its_topic_from_the_burst() -> None:
    queries = burst_queries(["你好", EARPHONES, "那个多久保修"], ["今天几点开门营业呢请问一下"])
    assert queries[1:] == (EARPHONES, f"{EARPHONES} 那个多久保修")


def test_one_question_with_greetings_is_one_query() -> None:
    assert burst_queries(["你好", "蓝牙耳机保修几年呢麻烦问一下哈"], []) == (
        "你好 蓝牙耳机保修几年呢麻烦问一下哈",
    )


def test_no_text_is_no_query() -> None:
    assert search_queries(" \n", [EARPHONES]) == ()


@pytest.mark.parametrize("text", ["其他颜色", "哪家店最近", "请问退货地址写在什么地方"])
def test_what_names_its_subject_does_not_point_back(text: str) -> None:
    assert not points_back(text)


@pytest.mark.parametrize("part", ["呢", "呢?", "嗯", "哦", "你好", "这", "the one ", "还有"])
def test_hostile_repetition_takes_linear_time(part: str) -> None:
    """At this length anything quadratic runs into the suite's timeout."""
    text = (part * 200_000)[:200_000] + "x"
    burst_queries([text, text], [text])
