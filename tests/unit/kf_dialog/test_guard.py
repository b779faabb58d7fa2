import pytest
from kf_dialog.facts import Facts
from kf_dialog.guard import Known, guard
from kf_dialog.numerals import value_of
from kf_dialog.prompt import RULES
from kf_dialog.sentences import sentences

SHOP = Known(
    sources=(
        "扫地机器人 X2 Pro 官方售价 2999 元，含主机和滚刷 1 个。",
        "满 99 元包邮。会员免费试用一次，收到后七天内可以退货，退款 3 个工作日到账。",
        "售后热线 400-820-8820，邮箱 help@heyu.cn，说明见 https://heyu.cn/help/x2 。保修两年。",
    ),
    customer="买两台 X2 Pro，能便宜到 2000 元吗？我的电话 13800001111，见 https://evil.example/pay",
)


def left(reply: str, known: Known = SHOP) -> str:
    return guard(reply, known, RULES).text


@pytest.mark.parametrize(
    "reply",
    [
        "X2 Pro 售价 2999 元。",
        "X2 Pro 卖 2,999元，满99元包邮。",
        "两台一共 5998 元。",
        "收到后 7 天内可以退货。",
        "退款三个工作日到账。",
        "保修 24 个月。",
        "请拨打 4008208820。",
        "请拨打 400 820 8820 或写信到 help@heyu.cn。",
        "说明见 https://heyu.cn/help/x2。",
        "官网 heyu.cn 有说明。",
        "抱歉，不能便宜到 2000 元。",
        "您是说 2000 元吗？",
        "您留的电话是 13800001111。",
        "您好，请问有什么可以帮您？",
        "这款不支持免费试用。",
        "需要我为您转接人工客服吗？",
        "如需人工客服，请回复“转人工”。",
        "会员可以免费试用。",
        "请不要把验证码发给我。",
        "请在页面输入验证码。",
        "已为您查到：满 99 元包邮。",
        "版本 v1.2 支持 Node.js 和 manual.pdf。",
    ],
)
def test_what_we_know_may_be_said(reply: str) -> None:
    assert left(reply) == reply


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("X2 Pro 只要 1999 元。", "amount"),
        ("X2 Pro 打 5 折。", "amount"),
        ("可以，2000 元卖给您。", "amount"),
        ("优惠 ¥300。", "amount"),
        ("全场八折。", "amount"),
        ("It costs $20.", "amount"),
        ("请访问 https://heyu-sale.cn/x2 下单。", "address"),
        ("请访问 https://heyu.cn/help/x2/secret 下单。", "address"),
        ("请加微信 heyu888 咨询。", "address"),
        ("请拨打 10010。", "address"),
        ("请拨打 ４００-123-4567。", "address"),
        ("写信到 boss@heyu.cn。", "address"),
        ("24 小时内发货。", "span"),
        ("保修十年。", "span"),
        ("本店免费上门安装。", "promise"),
        ("坏了我们全额赔偿。", "promise"),
        ("下单赠送滤芯。", "promise"),
        ("We guarantee it never breaks.", "promise"),
        ("已为您转接人工客服，请稍候。", "people"),
        ("稍后会有专员联系您。", "people"),
        ("I'll transfer you to an agent now.", "people"),
        ("A colleague will call you back.", "people"),
        ("已经帮您提交了退款申请。", "deed"),
        ("I've cancelled the order.", "deed"),
        ('<passage id="p1">', "inner"),
        ("我的规则是：问候和道谢可以直接礼貌回应，不需要资料。", "inner"),
        ("My system prompt says nothing.", "inner"),
        ("X2 Pro 今天只要 99 元。", "amount"),
        ("The X2 Pro is yours for 1 dollar.", "amount"),
        ("企业版永久不要钱。", "promise"),
        ("滤芯免费更换。", "promise"),
        ("已为您改价。", "deed"),
        ("您的账号已注销。", "deed"),
        ("连这个都不知道，你真蠢。", "rude"),
        ("请把验证码发给我。", "secret"),
        ("Please send me your password.", "secret"),
    ],
)
def test_what_nobody_told_us_is_taken_out(reply: str, why: str) -> None:
    guarded = guard(f"您好。{reply}", SHOP, RULES)
    assert guarded.text == "您好。"
    assert guarded.removed == (why,)


def test_a_free_plan_makes_nothing_else_free() -> None:
    known = Known(("The free plan has 3 forms. Pro plans cost 20 dollars.", "免费版有 3 个表单。"), "")
    assert left("The free plan has 3 forms.", known)
    assert left("免费版有 3 个表单。", known)
    assert not left("All plans are free today.", known)
    assert not left("专业版免费。", known)


def test_only_the_sentence_goes_and_the_lines_stay_apart() -> None:
    reply = "一、售价 2999 元。\n二、今天只要 1 元！\n三、保修两年。"
    assert left(reply) == "一、售价 2999 元。\n\n三、保修两年。"


def test_what_a_tool_did_may_be_told() -> None:
    acted = Known(("订单 8812 已取消",), "取消", acted=True)
    assert left("已为您取消订单 8812。", acted) == "已为您取消订单 8812。"


def test_long_numbers_of_the_sources_may_be_written_with_other_separators() -> None:
    known = Known(("订单号 20261123-0001，运单 SF1234567890",), "")
    assert left("订单 202611230001 的运单是 SF1234567890。", known)
    assert not left("订单 202611230002。", known)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("2,999", 2999), ("1.2万", 12000), ("二十四", 24), ("两", 2), ("半", 0.5), ("一百零五", 105),
        ("十二", 12), ("二〇二六", 2026), ("三千", 3000), ("3百", 300),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(number: str, value: float) -> None:
    assert value_of(number) == value


def test_sentences_joined_are_the_text() -> None:
    text = "一。二！\n\n三？”四\n- 五"
    assert "".join(sentences(text)) == text
    assert len(sentences(text)) == 6


def test_a_place_of_a_sentence_is_no_address() -> None:
    assert Facts("见说明.第二条。e.g. this, i.e. that, 3.5 kg, U.S. size").urls == frozenset()


HOSTILE = ["1", "1 ", "a.", "a@", "http://", "两", "电话", "已为您", "，", "a", "为您", "will ", "-", "1,"]


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_repetition_takes_linear_time(part: str) -> None:
    """At this length anything quadratic runs into the suite's timeout."""
    text = (part * 8_000)[:8_000]
    guard(text, Known((text[:7000] + "x",), text), RULES)


def test_what_the_company_itself_announces_may_be_said() -> None:
    source = "填写型号，客服会在 24 小时内联系您，安排上门取件。"
    assert guard("报修后客服会在24小时内联系您。", Known((source,), ""), RULES).removed == ()
    assert guard("报修后专员会马上联系您。", Known((source,), ""), RULES).removed == ("people",)
