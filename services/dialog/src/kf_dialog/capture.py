"""What was said to the model and what it answered, on its span: only where the operator has asked for it.

OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true is OpenTelemetry's own switch; it is off by default,
and then no word of a customer is in any span.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kf_runtime import telemetry
from opentelemetry.trace import Span

_MOST_CHARACTERS = 100_000


def show(span: Span, messages: Iterable[Any], answer: str) -> None:
    """Put prompt and answer on the span by the GenAI conventions, if content is captured at all."""
    if not telemetry.captures_content():
        return
    said = [_message(str(m.get("role", "")), m.get("content")) for m in messages if isinstance(m, Mapping)]
    span.set_attributes(
        {
            "gen_ai.input.messages": _json(said),
            "gen_ai.output.messages": _json([_message("assistant", answer)]),
        }
    )


def _message(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": str(content or "")}]}


def _json(messages: list[dict[str, Any]]) -> str:
    return json.dumps(messages, ensure_ascii=False)[:_MOST_CHARACTERS]
