import pytest
from kf_dialog.accounts import HANDOVER_WORDS, Account, ReservedTopic, Topics
from kf_dialog.conversation import Exchange, HandoverReason
from kf_dialog.wishes import (
    accepts_offer,
    is_angry,
    is_stuck,
    says_goodbye,
    wants_human,
    wish_for_human,
)
from kf_dialog.wording import offer, unknown


@pytest.mark.parametrize(
    "text",
    [
        "转人工",
        "人工",
        "人工！",
        "请帮我转接人工客服",
        "我要找人工",
        "给我换个真人",
        "叫你们经理来",
        "我要跟真人说话",
        "不要机器人，找个人来聊",
        "能不能来个人",
        "有没有人工客服",
        "怎么转人工？",
        "接人工服务，谢谢",
        "让你们主管联系我",
        "别用机器人回复我了",
        "I want to speak to a human",
        "Can I talk to a real person please?",
        "transfer me to an agent",
        "get me your manager",
        "connect me with customer service rep",
        "human agent",
        "agent",
        "I need a human",
        "stop, no more bots",
    ],
)
def test_the_wish_for_a_human_is_heard(text: str) -> None:
    assert wants_human(text, HANDOVER_WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "不用转人工，谢谢",
        "先不找人工了",
        "你是真人吗",
        "你是机器人还是人工？",
        "人工客服几点上班",
        "人工客服的工作时间是什么时候",
        "人工智能功能怎么开",
        "这个需要人工费吗",
        "草坪是人工草坪吗",
        "Are you a human?",
        "I don't need a human for this",
        "what are the hours of human agents",
        "Does it work without human resources software?",
        "多少钱",
        "",
    ],
)
def test_what_only_mentions_people_is_no_wish(text: str) -> None:
    assert not wants_human(text, HANDOVER_WORDS)


def test_an_accounts_own_words_count() -> None:
    assert wants_human("我想找小张", ("找小张",))
    assert not wants_human("我想找小张")


@pytest.mark.parametrize(
    "text",
    [
        "我要投诉你们！",
        "骗子公司",
        "什么垃圾服务",
        "再不处理我就打12315",
        "我要找律师起诉你们",
        "太过分了",
        "气死我了",
        "This is ridiculous",
        "worst service ever",
        "I will sue you",
        "what the fuck",
        "滚",
        "给我滚",
    ],
)
def test_anger_is_heard(text: str) -> None:
    assert is_angry(text)


@pytest.mark.parametrize(
    "text",
    [
        "怎么投诉",
        "投诉电话是多少",
        "垃圾分类功能怎么用",
        "垃圾袋有送吗",
        "how do I file a complaint",
        "邮件进了垃圾邮件",
        "真不错",
        "谢谢",
        "边刷和滚刷多久换一次？",
        "你们卖滚筒洗衣机吗",
    ],
)
def test_questions_about_complaints_and_rubbish_are_no_anger(text: str) -> None:
    assert not is_angry(text)


@pytest.mark.parametrize(
    "text", ["答非所问", "你没回答我的问题", "还是不行", "说了三遍了", "that's not what I asked"]
)
def test_who_is_not_helped_says_so(text: str) -> None:
    assert is_stuck(text)


@pytest.mark.parametrize("text", ["好的", "要", "需要，谢谢", "可以", "yes please", "OK", "sure"])
def test_a_yes_to_the_offer_is_a_wish(text: str) -> None:
    for language in ("zh", "en"):
        assert accepts_offer(text, f"{unknown(language)}\n{offer(language)}")
        assert not accepts_offer(text, "七天内可以退货。")


@pytest.mark.parametrize("text", ["好的那多少钱", "不用", "no"])
def test_anything_else_does_not_accept_the_offer(text: str) -> None:
    assert not accepts_offer(text, offer("zh"))


def reason(text: str, account: Account | None = None, history: tuple[Exchange, ...] = ()) -> object:
    handover = wish_for_human(text, account or Account(), history)
    return handover and handover.reason


def test_each_cause_has_its_reason() -> None:
    assert reason("你好\n转人工") is HandoverReason.WISH
    assert reason("骗子公司") is HandoverReason.ANGER
    assert reason("多少钱") is None
    said = (Exchange("多少钱", "1 元"), Exchange("答非所问", "2 元"))
    assert reason("还是不行", history=said) is HandoverReason.FAILURE
    assert reason("还是不行", history=said[:1]) is None
    assert reason("好", history=(Exchange("?", offer("zh")),)) is HandoverReason.WISH


def test_a_reserved_topic_is_named() -> None:
    topics = Topics(reserved=(ReservedTopic(name="医疗", words=("过敏", "Allergy")),))
    handover = wish_for_human("I have an ALLERGY", Account(topics=topics), ())
    assert handover
    assert (handover.reason, handover.topic) == (HandoverReason.POLICY, "医疗")


@pytest.mark.parametrize("text", ["再见", "谢谢，没有问题了", "好的\n拜拜", "bye", "that's all, thanks"])
def test_a_farewell_is_heard(text: str) -> None:
    assert says_goodbye(text)


@pytest.mark.parametrize("text", ["多少钱", "你好", "", "how much"])
def test_a_question_is_no_farewell(text: str) -> None:
    assert not says_goodbye(text)


HOSTILE = ["转", "找", "人工", "不", "(", "talk to ", "the ", "没有", "human ", " ", "要个", "说了"]


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_repetition_takes_linear_time(part: str) -> None:
    """At this length anything quadratic runs into the suite's timeout."""
    text = (part * 50_000)[:50_000] + "x"
    wish_for_human(text, Account(), (Exchange(text, text), Exchange(text, text)))
    says_goodbye(text)
