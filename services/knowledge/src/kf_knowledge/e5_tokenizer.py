"""Text to token ids for multilingual-e5-small: Unicode normalisation, SentencePiece unigrams, a cap."""

import re
import unicodedata
from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, processors

from kf_knowledge.e5_weights import Vocabulary

MAX_TOKENS = 512
# More characters than these never fit into MAX_TOKENS in practice; it bounds the work on a hostile text.
MAX_CHARACTERS = 8_192

_SPACES = re.compile(r"\s+")


class E5Tokenizer:
    """Thread-safe; built once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._normalisation = vocabulary.normalisation
        self._tokenizer = _unigram_tokenizer(vocabulary)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text with the marks of begin and end, at most MAX_TOKENS."""
        prepared = [self._normalise(text) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(prepared)]

    def _normalise(self, text: str) -> str:
        text = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).translate(self._normalisation)
        return _SPACES.sub(" ", text[:MAX_CHARACTERS]).replace("\x00", "").strip()


def _unigram_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    # A customer who writes "</s>" means four characters: control pieces get names that no text has.
    controls = {vocabulary.bos, vocabulary.eos, vocabulary.unknown, vocabulary.pieces.index("<pad>")}
    pieces = [
        (f"\x00{piece}" if index in controls else piece, score)
        for index, (piece, score) in enumerate(zip(vocabulary.pieces, vocabulary.scores, strict=True))
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=vocabulary.unknown, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    begin, end = pieces[vocabulary.bos][0], pieces[vocabulary.eos][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[begin, "$A", end], special_tokens=[(begin, vocabulary.bos), (end, vocabulary.eos)]
    )
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
