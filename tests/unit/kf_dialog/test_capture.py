import json

import pytest
from kf_dialog import capture
from kf_runtime.spans import Ended, Tracers

SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
MESSAGES = [{"role": "system", "content": "只用资料回答"}, {"role": "user", "content": "保修多久？"}]


def shown() -> Ended:
    kept: list[Ended] = []
    span = Tracers(lambda _, ended: kept.append(ended)).get_tracer("t").start_span("chat")
    capture.show(span, MESSAGES, "保修 2 年。")
    span.end()
    return kept[0]


@pytest.mark.parametrize("value", [None, "", "false", "0"])
def test_no_word_is_on_a_span_unless_asked_for(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    if value is not None:
        monkeypatch.setenv(SWITCH, value)
    assert shown().attributes == {}


def test_asked_for_prompt_and_answer_are_on_the_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "true")
    told = shown().attributes
    said = json.loads(told["gen_ai.input.messages"])
    assert [(m["role"], m["parts"][0]["content"]) for m in said] == [
        ("system", "只用资料回答"),
        ("user", "保修多久？"),
    ]
    assert json.loads(told["gen_ai.output.messages"])[0]["parts"][0]["content"] == "保修 2 年。"
