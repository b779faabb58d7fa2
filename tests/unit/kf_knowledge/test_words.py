"""A collection's own words in a question, questions that mean the same, words that a passage shares."""

import uuid

import numpy as np
import pytest
from kf_knowledge.clusters import clusters
from kf_knowledge.curation import InvalidWordsError, checked_group
from kf_knowledge.explanation import matched_words
from kf_knowledge.passages import StoredPassage
from kf_knowledge.ranking import Hit
from kf_knowledge.search import Found
from kf_knowledge.words import expanded, plain_question

GROUPS = [("扫地机器人", "小旋风", "x2 pro")]


def test_other_word_brings_the_documents_word() -> None:
    question = expanded("小旋风 多少钱", GROUPS)
    assert question.text == "扫地机器人 多少钱"
    assert set(question.added) == {"扫地机器人", "x2 pro"}
    plain = plain_question("小旋风 多少钱").lexemes
    assert question.lexemes["旋风"] > plain["旋风"], "a name of the collection's own weighs more"
    assert 0 < question.lexemes["机器"] < 1, "what was not said weighs less"


def test_documents_own_word_stays_in_the_question() -> None:
    assert expanded("扫地机器人和小旋风一样吗", GROUPS).text == "扫地机器人和小旋风一样吗"


def test_question_without_such_words_is_left_alone() -> None:
    assert expanded("保修多久", GROUPS).lexemes == plain_question("保修多久").lexemes


def test_groups_are_folded_and_checked() -> None:
    assert checked_group([" Ｘ２ Pro ", "x2 pro", "小旋风"]) == ("x2 pro", "小旋风")
    for bad in ([], [" "], ["x" * 65], ["a"] * 0, [str(n) for n in range(21)]):
        with pytest.raises(InvalidWordsError):
            checked_group(bad)


def test_near_questions_are_one_cluster_and_chains_are_not() -> None:
    angles = np.radians([0, 5, 10, 90, 95, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert clusters(vectors, threshold=0.995) == [[1, 0, 2], [3, 4], [5]]
    steps = np.radians(np.arange(0, 60, 5))
    chain = np.stack([np.cos(steps), np.sin(steps)], axis=1).astype(np.float32)
    assert len(clusters(chain, threshold=0.995)) > 1


def test_matched_words_are_the_longest_in_common() -> None:
    id_ = uuid.UUID(int=1)
    passage = StoredPassage(id_, id_, "a.md", "", ("保修",), "", "整机保修两年，电池一年。")
    found = Found(passage, Hit(id_, 1.0, 1.0, 1.0, 1.0))
    words = matched_words("电池的保修是多久", (), found)
    assert {"电池", "保修"} <= set(words)
    assert "电" not in words
