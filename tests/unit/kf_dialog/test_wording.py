import pytest
from kf_dialog import wording


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["多少钱"], "zh"),
        (["How much?"], "en"),
        (["iPhone 多少钱"], "zh"),
        (["👍", "1234", "how much"], "en"),
        (["???", "12"], "zh"),
        ([], "zh"),
    ],
)
def test_the_language_is_the_first_one_that_shows(texts: list[str], language: str) -> None:
    assert wording.language_of(texts) == language


def test_each_kind_is_named_once() -> None:
    sentence = wording.ask_for_text(["image", "image", "voice"], "zh")
    assert "图片和语音" in sentence
    assert "picture and voice message" in wording.ask_for_text(["image", "voice"], "en")


def test_an_unknown_kind_and_a_blank_text_get_a_sentence_too() -> None:
    assert "消息" in wording.ask_for_text(["hologram"], "zh")
    assert "text" in wording.ask_for_text(["text"], "en")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_apology_promises_no_human(language: wording.Language) -> None:
    assert not any(word in wording.apology(language) for word in ("人工", "转接", "colleague", "human"))
