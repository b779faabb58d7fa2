"""The functions a model is offered in one turn: our own, and those that the accounts file declares."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from kf_dialog.accounts import HttpTool
from kf_dialog.conversation import HandoverReason

HAND_OVER, END_SESSION, SEARCH = "hand_over", "end_session", "search_knowledge"
RESULT_CHARS = 4000
_ARGUMENT_CHARS = 4000
_REASONS = {
    "customer_request": HandoverReason.WISH,
    "angry_customer": HandoverReason.ANGER,
    "repeated_failure": HandoverReason.FAILURE,
    "out_of_knowledge": HandoverReason.KNOWLEDGE,
    "other": HandoverReason.MODEL,
}


class ToolError(Exception):
    """A tool gave no usable result; the text is a constant, never the endpoint's words."""

    def __init__(self, fault: str, *, reached: bool = True) -> None:
        """reached: False when it certainly did nothing, for no connection came about or it refused."""
        super().__init__(fault)
        self.fault, self.reached = fault, reached


class ArgumentsError(ValueError):
    """The model's arguments do not fit the tool's schema; the text names places and kinds, never values."""


@dataclass(frozen=True)
class Function:
    """One function as the model sees it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    side_effects: bool = False
    """Called only after the customer's consent."""
    confirmation: str = ""

    def offered(self) -> dict[str, Any]:
        """In the form of the chat API."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}

    def arguments(self, written: str) -> dict[str, Any]:
        """The model's JSON as arguments that fit the schema; what the schema does not name is left out.

        Raises:
            ArgumentsError: no JSON object, or not as the schema wants it.
        """
        try:
            given = json.loads(written[: _ARGUMENT_CHARS + 1] or "{}")
        except (ValueError, RecursionError):
            raise ArgumentsError("arguments are not JSON") from None
        if not isinstance(given, dict):
            raise ArgumentsError("arguments are not an object")
        named = self.parameters.get("properties")
        if isinstance(named, Mapping):
            given = {name: value for name, value in given.items() if name in named}
        try:
            faults = list(Draft202012Validator(dict(self.parameters)).iter_errors(given))
        except SchemaError:
            raise ArgumentsError("the tool's own schema is wrong") from None
        if faults:
            places = ("/".join(map(str, fault.absolute_path)) or "arguments" for fault in faults[:5])
            raise ArgumentsError(
                "; ".join(f"{p}: {f.validator}" for p, f in zip(places, faults, strict=False))
            )
        return given


def own_functions(*, hands_over: bool) -> list[Function]:
    """Ours: hand over (where there are people), end the session, ask the knowledge again."""
    functions = [
        Function(
            SEARCH,
            "用另一种说法再查一次知识库。只在已有资料不足、且换个完整的说法（写明产品和要问的事）可能查到时使用。",
            _object({"query": {"type": "string", "description": "完整的问题，不用代词"}}, "query"),
        ),
        Function(
            END_SESSION,
            "结束本次会话。只在客户明确道别、表示没有其他问题时使用。",
            _object({}),
        ),
    ]
    if hands_over:
        functions.insert(0, _hand_over())
    return functions


def _hand_over() -> Function:
    properties = {
        "reason": {"type": "string", "enum": list(_REASONS)},
        "summary": {
            "type": "string",
            "description": "给人工客服看的摘要：客户要什么、已经说过什么，不超过 100 字",
        },
    }
    return Function(
        HAND_OVER,
        "转人工客服。客户要求人工、情绪激动、投诉、多次没有得到解决，或问题只能由人处理时使用。",
        _object(properties, "reason", "summary"),
    )


def handover_reason(name: object) -> HandoverReason:
    """What the model's reason means to us."""
    return _REASONS.get(str(name), HandoverReason.MODEL)


def company_function(tool: HttpTool) -> Function:
    """An HTTP endpoint as a function."""
    return Function(tool.name, tool.description, tool.parameters, tool.side_effects, tool.confirmation)


def result_text(value: Any) -> str:
    """A tool's result as the model gets it: JSON, so that nothing in it can look like a message of ours."""
    if isinstance(value, str):
        return value[:RESULT_CHARS]
    return json.dumps(value, ensure_ascii=False, default=str)[:RESULT_CHARS]


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}
