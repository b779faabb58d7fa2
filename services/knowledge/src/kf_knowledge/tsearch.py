"""Lexemes as PostgreSQL reads them: literals of tsvector and tsquery."""

from collections.abc import Iterable


def tsvector(collection_id: int, lexemes: Iterable[str]) -> str:
    """A tsvector literal of a collection's lexemes, without positions."""
    return " ".join(_quoted(collection_id, lexeme) for lexeme in lexemes)


def tsquery(collection_id: int, alternatives: Iterable[Iterable[str]]) -> str:
    """A tsquery literal: passages of the collection that hold all lexemes of any of the alternatives."""
    return " | ".join(
        " & ".join(_quoted(collection_id, lexeme) for lexeme in together) for together in alternatives
    )


def _quoted(collection_id: int, lexeme: str) -> str:
    """A lexeme as it stands in a tsvector or tsquery: with its collection's id in front."""
    return f"'{collection_id}:" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
