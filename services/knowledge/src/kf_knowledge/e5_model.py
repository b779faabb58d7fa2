"""The forward pass of multilingual-e5-small (a BERT encoder with mean pooling) in NumPy.

Texts of a batch are laid end to end, without padding: linear layers see one tall matrix, attention sees each
text alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kf_knowledge.e5_weights import Architecture, WeightsFile, dequantise
from kf_knowledge.embedder import Vectors, normalised


@dataclass(frozen=True)
class _Linear:
    weight: Vectors  # (inputs, outputs)
    bias: Vectors

    def __call__(self, x: Vectors) -> Vectors:
        y: Vectors = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True)
class _LayerNorm:
    weight: Vectors
    bias: Vectors
    epsilon: np.float32

    def __call__(self, x: Vectors) -> Vectors:
        centred: Vectors = x - x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", centred, centred)[:, None] / np.float32(x.shape[1])
        centred /= np.sqrt(variance + self.epsilon)
        centred *= self.weight
        centred += self.bias
        return centred


@dataclass(frozen=True)
class _Layer:
    query_key_value: _Linear
    attention_output: _Linear
    attention_norm: _LayerNorm
    expand: _Linear
    contract: _Linear
    output_norm: _LayerNorm


class E5Model:
    """The encoder with its weights as float32; word embeddings stay quantised in the file. Thread-safe."""

    def __init__(self, file: WeightsFile) -> None:
        self._architecture = architecture = file.architecture
        self._words = file.blocks("emb.word", architecture.vocabulary, architecture.hidden)
        positions = file.floats("emb.pos").reshape(-1, architecture.hidden)
        self._positions: Vectors = positions + file.floats("emb.type")[: architecture.hidden]
        self._embedding_norm = _read_norm(file, "emb.ln")
        self._layers = [_read_layer(file, f"l{index}") for index in range(architecture.layers)]

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._architecture.hidden

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Vectors of texts given as token ids (1 to 512 each): float32, (texts, dimension), of length 1."""
        lengths = [len(ids) for ids in texts]
        ends = np.cumsum(lengths).tolist()
        spans = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
        words = dequantise(self._words[np.concatenate([np.asarray(ids, np.int64) for ids in texts])])
        places = np.concatenate([np.arange(length) for length in lengths])
        x = self._embedding_norm(words + self._positions[places])
        for layer in self._layers:
            attended = layer.attention_output(self._attend(layer.query_key_value(x), spans))
            x = layer.attention_norm(x + attended)
            x = layer.output_norm(x + layer.contract(_gelu(layer.expand(x))))
        return normalised(np.stack([x[span].mean(axis=0) for span in spans]))

    def _attend(self, query_key_value: Vectors, spans: Sequence[slice]) -> Vectors:
        heads = self._architecture.heads
        width = self._architecture.hidden // heads
        out = np.empty((len(query_key_value), heads * width), np.float32)
        for span in spans:
            query, key, value = query_key_value[span].reshape(-1, 3, heads, width).transpose(1, 2, 0, 3)
            weights = query @ key.transpose(0, 2, 1)
            weights *= np.float32(width**-0.5)
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
            out[span] = (weights @ value).transpose(1, 0, 2).reshape(-1, heads * width)
        return out


def _gelu(x: Vectors) -> Vectors:
    """GELU in place, with the tanh approximation: NumPy has no vectorised erf."""
    inner = x * x
    inner *= np.float32(0.044715 * 0.7978845608)
    inner += np.float32(0.7978845608)
    inner *= x
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    inner *= np.float32(0.5)
    x *= inner
    return x


def _read_layer(file: WeightsFile, name: str) -> _Layer:
    sizes: Architecture = file.architecture
    hidden, wide = sizes.hidden, sizes.feed_forward
    projections = [_read_linear(file, f"{name}.{part}", hidden, hidden) for part in ("q", "k", "v")]
    return _Layer(
        query_key_value=_Linear(
            np.concatenate([p.weight for p in projections], axis=1),
            np.concatenate([p.bias for p in projections]),
        ),
        attention_output=_read_linear(file, f"{name}.ao", hidden, hidden),
        attention_norm=_read_norm(file, f"{name}.aln"),
        expand=_read_linear(file, f"{name}.fi", hidden, wide),
        contract=_read_linear(file, f"{name}.fo", wide, hidden),
        output_norm=_read_norm(file, f"{name}.oln"),
    )


def _read_linear(file: WeightsFile, name: str, inputs: int, outputs: int) -> _Linear:
    weight = np.ascontiguousarray(file.matrix(f"{name}.w", outputs, inputs).T)
    return _Linear(weight, file.floats(f"{name}.b"))


def _read_norm(file: WeightsFile, name: str) -> _LayerNorm:
    return _LayerNorm(
        file.floats(f"{name}.w"), file.floats(f"{name}.b"), np.float32(file.architecture.epsilon)
    )
