"""FAQ sheets as people make them: headers in two languages, odd separators, faults named by row."""

import pytest
from kf_knowledge.content import InvalidDocumentError
from kf_knowledge.faq import MAX_ANSWER_CHARACTERS, MAX_ROWS, read_faq
from kf_knowledge.passages import Passage


def test_chinese_header_with_similar_questions() -> None:
    entries = read_faq("问题,答案,相似问题\n多少钱,2999 元,价格|贵不贵\n")
    assert entries == [Passage(text="2999 元", question="多少钱", similar=("价格", "贵不贵"))]


def test_english_header_in_any_order_with_unknown_columns() -> None:
    entries = read_faq('id,Answer,Question,Similar Questions\n7,"Two\nyears",Warranty?,how long;guarantee\n')
    assert entries == [Passage(text="Two\nyears", question="Warranty?", similar=("how long", "guarantee"))]


def test_several_columns_of_similar_questions_are_joined() -> None:
    (entry,) = read_faq("标准问题,回答,相似问题1,相似问题2\n保修,两年,质保,质保\n")
    assert entry.similar == ("质保",)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separator_is_that_of_the_header(separator: str) -> None:
    text = separator.join(["问题", "答案"]) + "\n" + separator.join(["多久发货", "当天"])
    assert read_faq(text) == [Passage(text="当天", question="多久发货")]


def test_blank_rows_are_skipped_and_repeated_rows_kept_once() -> None:
    assert len(read_faq("问题,答案\n\n , \n甲,乙\n甲,乙\n")) == 1


def test_same_question_with_two_answers_keeps_both() -> None:
    assert [entry.text for entry in read_faq("问题,答案\n甲,乙\n甲,丙\n")] == ["乙", "丙"]


def test_every_faulty_row_is_named() -> None:
    """One run shows the operator all rows to mend; the header is row 1, as in a spreadsheet."""
    with pytest.raises(InvalidDocumentError) as raised:
        read_faq("问题,答案\n甲,\n乙,好\n,丙\n")
    assert str(raised.value) == "row 2: the answer is empty; row 4: the question is empty"


def test_many_faults_are_counted() -> None:
    with pytest.raises(InvalidDocumentError, match="row 6: the answer is empty; and 15 rows more"):
        read_faq("问题,答案\n" + "甲,\n" * 20)


@pytest.mark.parametrize("header", ["名称,内容", "问题", "answer,text", "甲"])
def test_unknown_header_says_what_it_should_be(header: str) -> None:
    with pytest.raises(
        InvalidDocumentError, match="row 1: the header must name the columns question and answer"
    ):
        read_faq(f"{header}\n甲,乙\n")


def test_huge_cells_are_refused_with_their_row() -> None:
    """One beyond our limit, one beyond the csv module's own."""
    with pytest.raises(InvalidDocumentError, match=r"row 2: the answer has 8,001 characters"):
        read_faq(f"问题,答案\n甲,{'长' * (MAX_ANSWER_CHARACTERS + 1)}\n")
    with pytest.raises(InvalidDocumentError, match=r"row 3: field larger than field limit"):
        read_faq(f"问题,答案\n甲,乙\n甲,{'长' * 200_000}\n")


def test_unclosed_quotation_mark_is_named_with_its_row() -> None:
    with pytest.raises(InvalidDocumentError, match=r"row 3: .*quotation marks"):
        read_faq('问题,答案\n甲,乙\n丙,"丁\n')


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(InvalidDocumentError, match="more than 10,000 rows"):
        read_faq("问题,答案\n" + "".join(f"甲{n},乙\n" for n in range(MAX_ROWS + 1)))


def test_header_alone_is_refused() -> None:
    with pytest.raises(InvalidDocumentError, match="no rows"):
        read_faq("问题,答案\n")
