"""What the service asks of an embedding model, whichever one is behind it, and the cache of query vectors.

EmbeddingError
├── EmbeddingConfigError    wrong model, key, dimension or weights file: an operator must act
└── EmbeddingUnavailableError   overload, timeout, endpoint down: worth another try later
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class EmbeddingError(Exception):
    """An embedding could not be made; the message names the cause and the mend and carries no text or key."""


class EmbeddingConfigError(EmbeddingError):
    """The model, key, dimension or weights file is wrong: trying again does not help."""


class EmbeddingUnavailableError(EmbeddingError):
    """The model is overloaded or out of reach at the moment."""


class Embedder(Protocol):
    """Turns texts into vectors: float32, shape (number of texts, dimension), each of length 1."""

    @property
    def model(self) -> str:
        """Name of the model; vectors of different models must never be compared."""
        ...

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    @property
    def question_bias(self) -> float:
        """How much nearer to a query FAQ questions lie than prose that answers it as well, in cosine."""
        ...

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions that somebody waits for."""
        ...

    async def embed_questions(self, texts: Sequence[str]) -> Vectors:
        """Vectors of FAQ questions to be stored: same space and prefix as queries, but nobody waits."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of prose to be stored."""
        ...


class QueryCache:
    """The vectors of the most recent queries, by a hash of their text (customer text is not kept)."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    async def embed(self, embedder: Embedder, text: str) -> Vectors:
        """The query's vector, shape (dimension,), from the cache or else from the embedder."""
        key = hashlib.sha256(text.encode()).digest()
        if key in self._vectors:
            self._vectors.move_to_end(key)
            return self._vectors[key]
        vector: Vectors = (await embedder.embed_queries([text]))[0]
        self._vectors[key] = vector
        if len(self._vectors) > self._capacity:
            self._vectors.popitem(last=False)
        return vector


def normalised(vectors: Vectors) -> Vectors:
    """Scales every row to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(lengths, np.float32(1e-12))).astype(np.float32)
    return scaled
