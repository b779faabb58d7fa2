"""The scripted model: which passage it picks, what it says of it, and when it says it does not know."""

import pytest
from kf_simulator.answering import NOT_FOUND, Turn, answer

PAIRING = (
    "云朵耳机 X1 > 配对\n首次配对：\n1. 打开充电盒盖。\n2. 长按按键 3 秒，指示灯蓝白闪烁。\n"
    "3. 在手机蓝牙里选择 Cloud X1。\n配对成功后指示灯熄灭。\n"
    "如果连接失败，请把耳机放回充电盒，长按 10 秒恢复出厂设置，再重新配对。\n"
    "耳机最多可记住 8 台设备，超过后最早的一台会被忘记。切换设备时先断开当前设备的蓝牙，即可自动回连。"
    "如果自动回连没有成功，请在蓝牙列表里忽略该设备，然后从第一步开始。仍不能连接时，请联系人工客服。"
)
WARRANTY = "云朵耳机 X1 自签收之日起保修一年，充电盒保修六个月。人为损坏、进水不在保修范围内。"
PASSAGES = {
    "运费": "问：退货运费谁出\n问法：运费\n答：质量问题由我们承担，其他原因由买家承担。",
    "退款": "问：退款多久到账\n答：退款审核通过后1-3个工作日原路退回。",
    "退货": "问：怎么申请退货\n答：请在签收后7天内，打开订单页点“申请售后”，选择退货。",
    "发票": "问：可以开发票吗\n答：可以，下单时勾选“需要发票”。\n电子发票会发到邮箱。",
    "发货": "问：发货时间是多久\n答：下午4点前付款的订单当天发货。",
    "说明书": PAIRING,
    "保修政策": WARRANTY,
}
SYSTEM = "只根据资料回答。\n" + "\n".join(
    f'<passage id="p{number}" title="{title}">\n{body}\n</passage>'
    for number, (title, body) in enumerate(PASSAGES.items())
)
RETURN = "请在签收后7天内，打开订单页点“申请售后”，选择退货。"
REFUND = "退款审核通过后1-3个工作日原路退回。"
INVOICE = "可以，下单时勾选“需要发票”。\n电子发票会发到邮箱。"
POSTAGE = "质量问题由我们承担，其他原因由买家承担。"
DISPATCH = "下午4点前付款的订单当天发货。"


def ask(question: str, *history: tuple[str, str]) -> str:
    return answer(SYSTEM, [Turn(role, text) for role, text in history], question)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("怎么退货？", RETURN),
        ("退货的运费是谁出啊", POSTAGE),
        ("你好，能开发票不", INVOICE),
        ("今天下单什么时候发货", DISPATCH),
        ("退款没收到怎么办", REFUND),
        ("X1 保修多久", WARRANTY),
        ("进水了还保修吗", WARRANTY),
    ],
)
def test_the_passage_with_the_best_overlap_answers(question: str, expected: str) -> None:
    assert ask(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "你们卖飞机票吗",
        "明天天气怎么样",
        "有没有火星旅游套餐",
        "支持花呗分期吗",
        "怎么修改收货地址",
        "它防水吗",
    ],
)
def test_what_the_passages_lack_is_said_honestly(question: str) -> None:
    assert ask(question) == NOT_FOUND
    assert "知识库里没有相关内容" in NOT_FOUND


def test_without_passages_nothing_is_known() -> None:
    assert answer("你是客服。", [], "怎么退货") == NOT_FOUND


@pytest.mark.parametrize(
    ("before", "question", "expected"),
    [
        ("X1 保修多久", "那充电盒呢？", WARRANTY),
        ("怎么申请退货", "那要多久到账？", REFUND),
        ("退款怎么到账", "多久？", REFUND),
        ("发票怎么开", "它会发到哪里", INVOICE),
    ],
)
def test_a_follow_up_is_understood_from_what_came_before(before: str, question: str, expected: str) -> None:
    assert ask(question, ("user", before), ("assistant", "好的。")) == expected


def test_a_follow_up_alone_is_not_guessed() -> None:
    assert ask("多久？") == NOT_FOUND


def test_a_new_topic_in_a_follow_up_is_not_answered_from_the_old_one() -> None:
    assert ask("它防水吗", ("user", "X1 保修多久"), ("assistant", WARRANTY)) == NOT_FOUND


def test_each_question_of_a_burst_is_answered_from_its_passage() -> None:
    assert ask("你好\n怎么退货\n退款几天到账\n可以开发票吗") == f"{RETURN}\n\n{REFUND}\n\n{INVOICE}"


def test_a_burst_says_which_part_it_cannot_answer() -> None:
    reply = ask("怎么退货\n你们卖飞机票吗")
    assert reply == f"{RETURN}\n\n关于“你们卖飞机票吗”，抱歉，知识库里没有相关内容。"


def test_one_question_in_several_messages_is_one_question() -> None:
    assert ask("我上周买的耳机\n左边没声音\n能保修吗") == WARRANTY


def test_of_long_prose_the_part_that_fits_is_given() -> None:
    reply = ask("连接失败怎么办")
    assert reply == "如果连接失败，请把耳机放回充电盒，长按 10 秒恢复出厂设置，再重新配对。"


def test_a_list_is_given_with_its_introduction() -> None:
    reply = ask("首次配对怎么操作，要打开充电盒盖吗")
    assert reply.startswith("首次配对：\n1. 打开充电盒盖。")
    assert "3. 在手机蓝牙里选择 Cloud X1。" in reply


@pytest.mark.parametrize("question", ["详细说说耳机怎么配对", "耳机配对的所有步骤"])
def test_who_wants_everything_gets_the_whole_passage_without_its_heading(question: str) -> None:
    assert ask(question) == PAIRING.split("\n", 1)[1]


def test_everything_can_be_asked_of_the_topic_before() -> None:
    reply = ask("所有步骤都发我", ("user", "耳机怎么配对"), ("assistant", "首次配对……"))
    assert reply == PAIRING.split("\n", 1)[1]


@pytest.mark.parametrize(
    ("text", "start"),
    [("你好", "您好"), ("在吗？", "您好"), ("好的，谢谢", "不客气"), ("谢谢您！", "不客气")],
)
def test_small_talk_needs_no_passage(text: str, start: str) -> None:
    assert ask(text).startswith(start)


def test_it_is_deterministic() -> None:
    assert len({ask("退货和退款") for _ in range(20)}) == 1


def test_escaped_passages_are_read_as_they_were_written() -> None:
    system = '<passage id="1" title="A&amp;B">\n问：接口 a&lt;b 吗\n答：是的，a &lt; b。\n</passage>'
    assert answer(system, [], "接口 a<b 吗") == "是的，a < b。"


def test_a_row_of_a_table_is_said_with_the_names_of_its_columns() -> None:
    table = "| 商品 | 整机 |\n|---|:--|\n| 吸尘器 V8 | 2 年 |\n| 加湿器 H2 | 1 年 |\n"
    system = (
        f'<passage id="1" title="保修">保修期从签收之日起算。\n\n{table}{"过保后维修收费。" * 30}</passage>'
    )
    assert answer(system, [], "加湿器 H2 保修几年") == "商品：加湿器 H2，整机：1 年"


def test_an_entry_that_asks_the_question_beats_prose_that_mentions_it() -> None:
    system = (
        '<passage id="1" title="保修">保修期从签收之日起计算。扫地机器人 X2 Pro 见发票。</passage>'
        '<passage id="2" title="常见问题">问：扫地机器人保修多久？\n答：整机 2 年。</passage>'
        '<passage id="3" title="常见问题">问：净化器保修多久？\n答：整机 3 年。</passage>'
    )
    history = [Turn("user", "扫地机器人 X2 Pro 多少钱？"), Turn("assistant", "2999 元。")]
    assert answer(system, history, "那个保修多久？") == "整机 2 年。"
