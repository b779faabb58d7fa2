"""Cuts lose nothing but white space, respect bytes, clusters and URLs, and make the fewest messages."""

import re
from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from kf_sender.splitter import shorten, split

LIMIT = 48
PIECES = [
    "您好，", "请先登录网站。", "第一步！", "1. 打开设置\n", "- 点击“保存”。\n", "\n\n", " ", "  \n", "\r\n",
    "a", "word ",
    "Hello world. ", "3.14", "v1.2.3 ", "👨‍👩‍👧‍👦", "🇨🇳", "é", "한국어", "https://a.cn/x?y=1&z=2 ", "https://example.com/帮助",
    "（见 www.abc.cn/q）", "”", "》", "…", "\u3000", "\t", "\u200b", "क्षि",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=30).map("".join)


def without_space(text: str) -> str:
    return "".join(char for char in text if not char.isspace())


@given(texts)
@settings(max_examples=400, deadline=None)
def test_every_part_fits_and_only_white_space_is_lost(text: str) -> None:
    parts = split(text, LIMIT)
    assert all(part.strip() and len(part.encode()) <= LIMIT for part in parts)
    assert without_space("".join(parts)) == without_space(text)
    position = 0
    for part in parts:
        assert text.index(part, position) >= position
        assert not text[position : text.index(part, position)].strip()
        position = text.index(part, position) + len(part)
    assert not text[position:].strip()


@given(texts)
@settings(max_examples=300, deadline=None)
def test_no_cluster_is_cut(text: str) -> None:
    # A cluster of more bytes than a part has no choice.
    if any(len(cluster.encode()) > LIMIT for cluster in regex.findall(r"\X", text)):
        return
    borders = {0} | {match.end() for match in regex.finditer(r"\X", text)}
    position = 0
    for part in split(text, LIMIT):
        start = text.index(part, position)
        position = start + len(part)
        assert start in borders or text[start - 1].isspace()
        assert position in borders or text[position].isspace()


@given(texts)
@settings(max_examples=300, deadline=None)
def test_packing_is_as_tight_as_cuts_anywhere_allow(text: str) -> None:
    parts = split(text, LIMIT)
    # Were two neighbours to fit together, one message would be wasted.
    position = 0
    for first, second in pairwise(parts):
        start = text.index(first, position)
        position = start + len(first)
        end = text.index(second, position) + len(second)
        assert len(text[start:end].encode()) > LIMIT


@given(
    st.lists(st.sampled_from(["好", "a", "。", "\n\n", " ", "字字字"]), min_size=1, max_size=60).map("".join)
)
@settings(max_examples=200, deadline=None)
def test_good_borders_cost_no_message(text: str) -> None:
    """As many messages as when each is simply filled to the brim."""
    count, rest = 0, text.strip()
    while rest:
        size = next(n for n in range(len(rest), 0, -1) if len(rest[:n].rstrip().encode()) <= LIMIT)
        count, rest = count + 1, rest[size:].strip()
    assert len(split(text, LIMIT)) == count


@given(texts, st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_a_url_that_fits_is_never_cut(before: str, length: int) -> None:
    url = "https://kefu.example.com/" + "p" * (length % (LIMIT - 25))
    parts = split(f"{before} {url} 好的", LIMIT)
    assert any(url in part for part in parts)


def test_a_url_longer_than_a_message_is_cut_like_a_word() -> None:
    url = "https://example.com/" + "x" * 100
    assert "".join(split(url, LIMIT)) == url


def test_a_cluster_longer_than_a_message_is_cut_between_code_points() -> None:
    zalgo = "e" + "\u0301" * 100
    parts = split(zalgo, LIMIT)
    assert "".join(parts) == zalgo
    assert all(len(part.encode()) <= LIMIT for part in parts)


@pytest.mark.parametrize("text", ["", " ", "\n \u3000\t", " " * 5000])
def test_a_blank_text_has_no_parts(text: str) -> None:
    assert split(text, LIMIT) == []


def test_white_space_longer_than_a_message_is_no_part() -> None:
    assert split("甲" + " " * 5000 + "乙", LIMIT) == ["甲", "乙"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("第一段。\n\n第二段第一句。第二句很长。", "第一段。"),
        ("甲甲甲甲甲。\n- 乙乙乙乙乙乙乙\n- 丙丙丙丙", "甲甲甲甲甲。\n- 乙乙乙乙乙乙乙"),
        ("第一句话在这里。第二句话也在这里，很长很长", "第一句话在这里。"),
        ("他说：“好的，明白。”然后他就走了没有回来过", "他说：“好的，明白。”"),
        ("前半句在这里已经写完，后半句继续写到很后面去", "前半句在这里已经写完，"),
        (
            "The quick brown fox jumps over the lazy dog, again",
            "The quick brown fox jumps over the lazy dog,",
        ),
        (
            "Version 3.14 is out now and everybody likes it lots",
            "Version 3.14 is out now and everybody likes it",
        ),
        ("一二三四五六七八九十一二三四五六七八", "一二三四五六七八九十一二三四五六"),
    ],
)
def test_the_best_border_in_reach_is_taken(text: str, first: str) -> None:
    parts = split(text, LIMIT)
    assert parts[0] == first
    assert len(parts) == 2


def test_a_text_that_fits_is_one_message_without_its_margins() -> None:
    assert split("\n 您好\n\n再见 \n", LIMIT) == ["您好\n\n再见"]


def test_list_numbers_are_not_taken_for_sentence_ends() -> None:
    assert split("1. aaaa bbbb cccc dddd 2. eeee ffff gggg hhhh iiii", LIMIT)[0].endswith("hhhh")


@given(texts, st.integers(8, 60))
@settings(max_examples=200, deadline=None)
def test_shorten_gives_a_beginning_that_fits(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short.encode()) <= limit
    assert text.lstrip().startswith(short)
    assert bool(short) == bool(text.strip())


def test_shorten_ends_with_a_sentence_where_there_is_one() -> None:
    assert shorten("第一句话在这里。第二句话在这里。第三句话", 50) == "第一句话在这里。第二句话在这里。"


def test_a_very_long_text_is_filled_up_to_whole_sentences() -> None:
    text = "这是一个很长的回答，包含许多句子。" * 6000
    assert len(split(text, 2048)) == -(-len(text.encode()) // (2048 // 51 * 51))


def test_parts_of_real_size_keep_chinese_whole() -> None:
    text = re.sub(r"\s", "", "微信客服支持发送文本、图片、链接。") * 200
    assert all(len(part.encode()) <= 2048 and part.endswith("。") for part in split(text, 2048))
