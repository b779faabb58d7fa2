"""What people keep with a collection beside its documents: its test questions and its own words."""

from collections.abc import Sequence

from kf_runtime import postgres

from kf_knowledge.calibration import TestQuestion
from kf_knowledge.tokens import folded

MAX_GROUPS, MAX_WORDS, MAX_WORD_CHARACTERS = 500, 20, 64


class InvalidWordsError(Exception):
    """A group of words cannot be used; the message says which and why."""


class Curation:
    """Reads and replaces them; safe for any number of replicas. The pool is one of database.open_pool."""

    def __init__(self, pool: postgres.Pool) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_knowledge", "curation.sql")

    async def questions(self, collection: str) -> list[TestQuestion]:
        """The collection's test questions, in their order."""
        rows = await self._pool.fetch(self._sql.test_questions, collection)
        return [TestQuestion(row["question"], frozenset(row["expected"]), row["category"]) for row in rows]

    async def set_questions(self, collection: str, questions: Sequence[TestQuestion]) -> None:
        """Replaces them all; the collection is made when it is not there."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._sql.create_collection, collection)
            await connection.execute(self._sql.delete_test_questions, collection)
            await connection.executemany(
                self._sql.insert_test_question,
                [
                    (collection, number, one.question, sorted(one.expected), one.category)
                    for number, one in enumerate(questions)
                ],
            )

    async def words(self, collection: str) -> list[tuple[str, ...]]:
        """Groups of words that mean the same; the first is the one that the documents use."""
        rows = await self._pool.fetch(self._sql.word_groups, collection)
        return [tuple(row["words"]) for row in rows]

    async def set_words(self, collection: str, groups: Sequence[Sequence[str]]) -> None:
        """Replaces them all; the next search uses them. The collection is made when it is not there.

        Raises:
            InvalidWordsError: nothing was changed.
        """
        checked = [checked_group(group) for group in groups]
        if len(checked) > MAX_GROUPS:
            raise InvalidWordsError(f"groups: {len(checked)} are more than {MAX_GROUPS}")
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._sql.create_collection, collection)
            await connection.execute(self._sql.delete_word_groups, collection)
            await connection.executemany(
                self._sql.insert_word_group, [(collection, list(group)) for group in checked]
            )


def checked_group(group: Sequence[str]) -> tuple[str, ...]:
    """The group folded and without repetitions; InvalidWordsError says what is wrong with it."""
    words = tuple(dict.fromkeys(folded(word).strip() for word in group))
    if not words or len(words) > MAX_WORDS:
        raise InvalidWordsError(f"groups: one has {len(words)} words, 1 to {MAX_WORDS} are allowed")
    for word in words:
        if not 1 <= len(word) <= MAX_WORD_CHARACTERS or "\x00" in word:
            raise InvalidWordsError(f"groups: a word must have 1 to {MAX_WORD_CHARACTERS} characters")
    return words
