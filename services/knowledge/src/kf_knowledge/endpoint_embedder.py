"""Embeddings from an OpenAI-compatible endpoint (EMBEDDING_BASE_URL), batched, with bounded retries."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import openai

from kf_knowledge.embedder import (
    EmbeddingConfigError,
    EmbeddingError,
    EmbeddingUnavailableError,
    Vectors,
    normalised,
)

# Vendors cap a request between 10 and 2,048 texts; 10 is what the strictest of the usual ones takes.
_BATCH_TEXTS = 10
_RETRIES = 3


class EndpointEmbedder:
    """One model behind one endpoint; the client retries 429, 5xx and timeouts itself, with back-off."""

    # Endpoints take questions and passages alike.
    question_bias = 0.0

    def __init__(self, client: openai.AsyncOpenAI, model: str, dimension: int) -> None:
        self.model = model
        self.dimension = dimension
        self._client = client

    @classmethod
    async def connect(cls, base_url: str, api_key: str, model: str, timeout_seconds: float) -> Self:
        """Asks the endpoint for one vector to learn the dimension; EmbeddingError when it cannot answer."""
        client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key, timeout=timeout_seconds, max_retries=_RETRIES
        )
        probe = cls(client, model, dimension=0)
        return cls(client, model, len((await probe._request(["?"]))[0]))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        return await self._embed(texts)

    async def embed_questions(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        return await self._embed(texts)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        return await self._embed(texts)

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _BATCH_TEXTS):
            batch = texts[start : start + _BATCH_TEXTS]
            vectors[start : start + len(batch)] = self._checked(await self._request(batch), len(batch))
        return normalised(vectors)

    def _checked(self, rows: list[list[float]], count: int) -> Vectors:
        if len(rows) != count or any(len(row) != self.dimension for row in rows):
            raise EmbeddingConfigError(
                f"The embedding endpoint returned {len(rows)} vectors of {sorted({len(r) for r in rows})} "
                f"dimensions for {count} texts; at start it had {self.dimension} dimensions. "
                f"Check EMBEDDING_MODEL={self.model} and restart"
            )
        return np.asarray(rows, np.float32)

    async def _request(self, texts: Sequence[str]) -> list[list[float]]:
        try:
            response = await self._client.embeddings.create(
                model=self.model, input=list(texts), encoding_format="float"
            )
        except openai.OpenAIError as error:
            raise _translated(error, self.model) from error
        ordered = sorted(response.data, key=lambda item: item.index)
        return [item.embedding for item in ordered]


def _translated(error: openai.OpenAIError, model: str) -> EmbeddingError:
    """Our error for the client's: its kind and the mend, never the endpoint's words (they may quote text)."""
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return EmbeddingConfigError("The embedding endpoint refuses the key: check EMBEDDING_API_KEY")
    if isinstance(error, openai.NotFoundError):
        return EmbeddingConfigError(
            f"The embedding endpoint does not know {model}: check EMBEDDING_MODEL and EMBEDDING_BASE_URL"
        )
    if isinstance(error, openai.RateLimitError | openai.APIConnectionError | openai.InternalServerError):
        return EmbeddingUnavailableError(
            f"The embedding endpoint did not answer ({type(error).__name__}, after {_RETRIES} retries): "
            "check EMBEDDING_BASE_URL and the network from here"
        )
    return EmbeddingConfigError(f"The embedding endpoint refused the request ({type(error).__name__})")
