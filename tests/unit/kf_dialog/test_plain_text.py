import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kf_dialog import plain_text
from kf_dialog.plain_text import to_plain_text


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("您好，可以的。", "您好，可以的。"),
        ("# 退货\n## 时限 ##\n七天", "退货\n时限\n七天"),
        ("## C# 入门", "C# 入门"),
        ("**注意：**请保留包装", "注意：请保留包装"),
        ("支持**iOS**和**Android**系统", "支持iOS和Android系统"),
        ("请*务必*保存，~~不要~~丢弃，__重要__", "请务必保存，不要丢弃，重要"),
        ("***很重要***", "很重要"),
        ("2*3*4=24，3 * 4 * 5，价格*100*2", "2*3*4=24，3 * 4 * 5，价格*100*2"),
        ("字段 user_name_id 和 __init__.py", "字段 user_name_id 和 init.py"),
        ("- 甲\n* 乙\n+ 丙\n  - 丁", "• 甲\n• 乙\n• 丙\n  • 丁"),
        ("1. 甲\n2. 乙", "1. 甲\n2. 乙"),
        ("- [x] 已办\n- [ ] 未办", "• 已办\n• 未办"),
        ("> 引用\n>> 再引", "引用\n再引"),
        ("上\n\n---\n\n\n下", "上\n\n下"),
        ('见[说明](https://a.cn/x_y_z "标题")。', "见说明 (https://a.cn/x_y_z)。"),
        ("[https://a.cn](https://a.cn)", "https://a.cn"),
        ("![图](https://a.cn/a.png)", "图 (https://a.cn/a.png)"),
        ("[百科](https://a.cn/b_(c))", "百科 (https://a.cn/b_(c))"),
        ("<https://a.cn/_x_>", "https://a.cn/_x_"),
        ("**https://a.cn/a_b_c**", "https://a.cn/a_b_c"),
        ("写信到[客服](mailto:a@b.cn)", "写信到客服 (a@b.cn)"),
        ("运行`a*b*c`和``x_y``", "运行a*b*c和x_y"),
        ("```python\nx = a*b*c\n# 注释\n```\n完", "x = a*b*c\n# 注释\n完"),
        (r"5\*3，\# 不是标题，\_x\_", "5*3，# 不是标题，_x_"),
        ("第一行<br>第二行<b>粗</b>&nbsp;&amp;", "第一行\n第二行粗 &"),
        ("甲&#xE000;乙&#8203;`丙`&#" + "9" * 5000 + ";", "甲乙丙&#" + "9" * 5000 + ";"),
        ("5 < 6 且 <未知>", "5 < 6 且 <未知>"),
        ("| 项目 | 价格 |\n|---|:--:|\n| 甲 | 1元 |\n| **乙** | 2元 |", "• 甲：1元\n• 乙：2元"),
        ("| 款 | 色 | 价 |\n|-|-|-|\n| A | 红 | 1 |\n| B |  | 2 |", "• A（色：红；价：1）\n• B（价：2）"),
        ("甲|乙", "甲|乙"),
        ("<think>先想想\n再说</think>好的", "好的"),
        ("想完了</think>好的", "好的"),
        ("<think>没说完", ""),
        ("a\r\nb\x00\u200bc", "a\nbc"),
        ("好的\ud83d，\udc4d再见", "好的，再见"),
        ("   \n\n ", ""),
    ],
)
def test_markdown_reads_as_people_write_in_a_chat(markdown: str, plain: str) -> None:
    assert to_plain_text(markdown) == plain


@given(st.text(alphabet="*_`~#>|-[]() <br>\\\n甲a1:/", max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_it_and_no_bold_mark_pair_is_left(markdown: str) -> None:
    plain = to_plain_text(markdown)
    assert plain == plain.strip()
    assert "\n\n\n" not in plain
    if not re.search(r"[`\\|\[<]", markdown):
        assert not re.search(r"\*\*[甲a1]+\*\*", plain)


@given(st.text(alphabet="甲乙丙，。a1 \n", max_size=100))
def test_plain_text_stays_as_it_is(text: str) -> None:
    lines = [line.rstrip() for line in text.split("\n")]
    assert to_plain_text(text) == re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


HOSTILE = [
    "\t",
    " *a",
    "**a",
    "**a*",
    "[",
    "](",
    '[](x "',
    "`",
    "_a ",
    "|-",
    "a|\n-|\n\n",
    "<",
    "<b ",
    "&",
    "# ",
    "> ",
]


@pytest.mark.parametrize("part", [*HOSTILE, "- ", "<think>", "</think>", "https://", "<mailto:", "~~", "\\"])
def test_hostile_repetition_takes_linear_time(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At this length anything quadratic runs into the suite's timeout."""
    monkeypatch.setattr(plain_text, "MAX_CHARS", 200_000)
    to_plain_text((part * 200_000)[:200_000])
