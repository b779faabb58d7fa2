"""What counts as a word on the lexical side."""

from kf_knowledge.tokens import MAX_LEXEME_CHARACTERS, lexemes, query_lexemes
from kf_knowledge.tsearch import tsquery, tsvector


def test_chinese_gives_characters_pairs_and_longer_words() -> None:
    assert lexemes("扫地机器人") == dict.fromkeys(
        ["扫", "地", "机", "器", "人", "扫地", "地机", "机器", "器人", "机器人"], 1
    )


def test_width_and_case_do_not_matter() -> None:
    assert lexemes("Ｘ２ PRO") == lexemes("x2 pro") == {"x2": 1, "pro": 1}


def test_pairs_do_not_cross_punctuation_or_latin_words() -> None:
    assert "修保" not in lexemes("维修。保修")
    assert "用能" not in lexemes("用API能")


def test_very_long_words_are_cut_so_that_postgres_takes_them() -> None:
    (word,) = lexemes("a" * 5_000)
    assert len(word) == MAX_LEXEME_CHARACTERS


def test_question_words_are_left_out_of_queries_and_codes_weigh_thrice() -> None:
    assert query_lexemes("E05 是什么") == {"e05": 3.0}
    assert query_lexemes("怎么退货")["退货"] == 1.0


def test_literals_carry_the_collection_and_are_quoted() -> None:
    assert tsvector(3, ["退货", "it's\\"]) == "'3:退货' '3:it''s\\\\'"
    assert tsquery(3, [("退货",), ("a", "b")]) == "'3:退货' | '3:a' & '3:b'"
