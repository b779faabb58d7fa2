"""Cutting along the structure: headings, lists, tables, sentences; nothing lost, nothing too long."""

from hypothesis import given
from hypothesis import strategies as st
from kf_knowledge.passages import Passage
from kf_knowledge.prose import MAX_CHARACTERS, first_heading, read_markdown, read_text


def test_passages_carry_the_headings_above_them() -> None:
    passages = read_markdown("# 手册\n\n前言。\n\n## 安装\n\n### 主机\n\n插电。\n\n## 保养\n\n擦干净。\n")
    assert passages == [
        Passage("前言。", ("手册",)),
        Passage("插电。", ("手册", "安装", "主机")),
        Passage("擦干净。", ("手册", "保养")),
    ]


def test_heading_path_stands_before_the_text_that_is_embedded() -> None:
    (passage,) = read_markdown("# 手册\n\n## 保养\n\n擦干净。")
    assert passage.embedded_texts == ("手册 > 保养\n擦干净。",)


def test_neighbouring_paragraphs_are_joined_up_to_the_limit() -> None:
    text = "\n\n".join(f"第{n}段" + "字" * 96 for n in range(9))
    passages = read_text(text)
    assert len(passages) == 3
    assert [len(p.text) for p in passages] == [399, 399, 99]


def test_long_list_is_cut_between_items() -> None:
    items = [f"{n}. 第 {n} 步：" + "做" * 60 for n in range(1, 15)]
    passages = read_markdown("# 步骤\n\n" + "\n".join(items))
    assert len(passages) > 1
    assert [line for p in passages for line in p.text.split("\n")] == items


def test_cut_table_repeats_its_head() -> None:
    rows = "\n".join(f"| E{n:02} | {'故障' * 20} |" for n in range(20))
    passages = read_markdown(f"| 编号 | 含义 |\n|---|---|\n{rows}\n")
    assert len(passages) > 1
    assert all(p.text.startswith("| 编号 | 含义 |\n|---|---|\n| E") for p in passages)
    assert sum(p.text.count("故障" * 20) for p in passages) == 20


def test_long_paragraph_is_cut_after_sentences() -> None:
    passages = read_text("这是一个有二十个字的句子，它用来测试切分。" * 60)
    assert all(p.text.endswith("。") for p in passages)


def test_headings_without_text_make_no_passage() -> None:
    assert read_markdown("# 一\n\n## 二\n") == []


def test_repeated_passage_is_kept_once() -> None:
    assert len(read_markdown("# 甲\n\n同样。\n\n# 甲\n\n别的。\n\n# 甲\n\n同样。\n")) <= 3


def test_code_and_html_stay_as_they_are_written() -> None:
    (passage,) = read_markdown("```\n# 不是标题\n```\n\n<b>粗</b>\n")
    assert "# 不是标题" in passage.text
    assert passage.headings == ()


def test_first_heading_is_the_title() -> None:
    assert first_heading("前言\n\n安装手册\n====\n") == "安装手册"
    assert first_heading("没有标题") == ""


@given(st.text(alphabet="字。！a \n#|-`>*1.\\\t[]()", max_size=3_000))
def test_any_text_is_cut_into_passages_within_the_limit(text: str) -> None:
    """Whatever Markdown somebody writes: no crash, no empty and no oversized passage."""
    for passage in (*read_markdown(text), *read_text(text)):
        assert passage.text.strip()
        assert len(passage.text) <= MAX_CHARACTERS


@given(st.lists(st.text(alphabet="甲乙丙丁。！ab", min_size=1, max_size=700), min_size=1, max_size=12))
def test_plain_text_loses_no_character(paragraphs: list[str]) -> None:
    kept = "".join(p.text for p in read_text("\n\n".join(paragraphs))).replace("\n", "")
    unique = list(dict.fromkeys(paragraphs))
    if len(unique) == len(paragraphs) and sum(map(len, paragraphs)) < MAX_CHARACTERS:
        assert kept == "".join(paragraphs)
    assert set(kept) == set("".join(paragraphs))
