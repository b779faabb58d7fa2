"""The embedded model's parts, read once for all tests of this folder."""

import pytest
from kf_knowledge.e5_model import E5Model
from kf_knowledge.e5_tokenizer import E5Tokenizer
from kf_knowledge.e5_weights import WeightsFile, find_weights


@pytest.fixture(scope="session")
def weights() -> WeightsFile:
    return WeightsFile(find_weights())


@pytest.fixture(scope="session")
def encoder(weights: WeightsFile) -> E5Model:
    return E5Model(weights)


@pytest.fixture(scope="session")
def tokenizer(weights: WeightsFile) -> E5Tokenizer:
    return E5Tokenizer(weights.vocabulary)
