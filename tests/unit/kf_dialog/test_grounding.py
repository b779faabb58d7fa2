import pytest
from kf_dialog.grounding import Ground, is_small_talk, judge, supporters

SOURCES = {
    "p1": "退货政策\n收到商品后七天内可以申请退货，商品需要保持完好，退款原路返回。",
    "p2": "Shipping\nOrders ship within two business days from our warehouse in Hangzhou.",
}


def ground(text: str, asked: str = "怎么退货", cited: tuple[str, ...] = (), said: str = "") -> Ground:
    return judge(text, cited, SOURCES, asked, said).ground


def test_a_citation_that_was_checked_is_a_ground() -> None:
    assert judge("是的。", ("p2",), SOURCES, "?", "") == (Ground.SOURCES, ("p2",))


def test_a_copied_passage_needs_no_mark() -> None:
    text = "收到商品后七天内可以申请退货，商品需要保持完好。"
    assert judge(text, (), SOURCES, "怎么退货", "") == (Ground.SOURCES, ("p1",))
    assert ground("Orders ship within two business days from Hangzhou.", "when?") is Ground.SOURCES


@pytest.mark.parametrize(
    "text",
    [
        "我们在火星有分店，每周三营业，欢迎光临。",
        "公司老板的生日是五月四日。",
        "Our founder was born in Paris in May.",
    ],
)
def test_what_no_source_says_has_no_ground(text: str) -> None:
    assert ground(text) is Ground.NONE


@pytest.mark.parametrize(
    "text",
    [
        "抱歉，没有查到相关信息。",
        "我不清楚这个问题。",
        "暂时无法回答。",
        "抱歉，知识库里没有相关内容，暂时无法回答这个问题。",
        "I am sorry, I could not find this in the knowledge base.",
        "I don't have information on that.",
    ],
)
def test_a_refusal_is_known_as_one(text: str) -> None:
    assert ground(text) is Ground.REFUSAL


def test_a_part_that_is_known_makes_a_refusal_of_the_rest_an_answer() -> None:
    assert ground("七天内可退。运费险没有查到。", cited=("p1",)) is Ground.SOURCES


@pytest.mark.parametrize(
    "asked", ["你好", "谢谢", "你好\n在吗", "你是机器人吗", "hi", "Who are you?", "晚上好"]
)
def test_small_talk_needs_no_passage(asked: str) -> None:
    assert is_small_talk(asked)
    assert ground("您好，我是智能客服，请问有什么可以帮您？", asked) is Ground.SMALL_TALK


def test_small_talk_is_no_licence_to_lecture() -> None:
    assert ground("火" * 300, "你好") is Ground.NONE


@pytest.mark.parametrize("asked", ["你好，退货怎么办", "谢谢\n那运费呢", "", "你是怎么发货的"])
def test_a_question_is_no_small_talk(asked: str) -> None:
    assert not is_small_talk(asked)


def test_asking_back_states_nothing() -> None:
    assert ground("请问您指的是哪一款产品？") is Ground.QUESTION


def test_the_talk_itself_is_a_source_only_for_who_asks_about_it() -> None:
    said = "蓝牙耳机多少钱\n蓝牙耳机售价一百元"
    text = "您刚才问的是蓝牙耳机多少钱。"
    assert ground(text, "我刚才问的是什么？", said=said) is Ground.SOURCES
    assert (
        ground("是的，我们承诺三十天无理由退货。", "可以退吗", said="你们承诺三十天无理由退货\n")
        is Ground.NONE
    )


def test_several_sources_may_carry_an_answer_together() -> None:
    sources = {"a": "蓝牙耳机续航八小时", "b": "重量五十克，附赠收纳袋", "c": "完全无关的内容"}
    assert set(supporters("续航八小时，重量五十克，收纳袋附赠", sources)) == {"a", "b"}
