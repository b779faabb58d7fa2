"""Asks one model endpoint through the openai client: bounded retries, a circuit breaker, a span per call."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Self

import openai
import structlog
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from kf_dialog import capture, metrics
from kf_dialog.plain_text import whole_sentences, without_thoughts
from kf_dialog.prompt import SHORTER
from kf_dialog.retry import REMEDIES, Breaker, Fault, fault_of, pause_before_retry

log = structlog.get_logger()
tracer = trace.get_tracer("kf_dialog.model")

_CONNECT_SECONDS = 5.0
_MAX_TOKENS = 1600
_TEMPERATURE = 0.2


class ModelError(Exception):
    """The model gave no usable answer; the message is the fault's name, never the provider's words."""

    def __init__(self, fault: Fault, retry_after: float | None = None, rest: str = "") -> None:
        """rest: what a cut answer held, to be used when nothing better comes."""
        super().__init__(fault.value)
        self.fault, self.retry_after, self.rest = fault, retry_after, rest


@dataclass(frozen=True)
class ToolCall:
    """The model wants a tool to be called."""

    call_id: str
    name: str
    arguments: str
    """JSON as the model wrote it: malformed at times."""


@dataclass(frozen=True)
class Ask:
    """What the model is asked."""

    messages: tuple[ChatCompletionMessageParam, ...]
    tools: tuple[Any, ...] = ()
    """Functions it may call (ChatCompletionToolParam)."""
    may_call: bool = True
    """False: it must answer now, though the talk so far has calls in it."""

    def shorter(self) -> "Ask":
        """The same with the wish for a shorter answer."""
        wish: ChatCompletionMessageParam = {"role": "user", "content": SHORTER}
        return replace(self, messages=(*self.messages, wish))

    def leaner(self) -> "Ask":
        """Only rules and question, no tools: what an endpoint with less room or fewer abilities may take."""
        return (
            Ask((self.messages[0], self.messages[-1]))
            if self._question_is_last()
            else replace(self, tools=())
        )

    def _question_is_last(self) -> bool:
        return len(self.messages) > 1 and self.messages[-1]["role"] == "user"


@dataclass(frozen=True)
class Completion:
    """One answer of the model."""

    text: str
    """As the model wrote it, Markdown and thoughts and all; empty only when it calls tools."""
    model: str
    input_tokens: int
    output_tokens: int
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    """DeepSeek wants it back with the results of the tools; nobody else ever sees it."""


class Model:
    """One OpenAI-compatible chat endpoint."""

    def __init__(self, client: AsyncOpenAI, name: str) -> None:
        self._client, self._name = client, name
        self._breaker = Breaker()

    @classmethod
    def open(cls, base_url: str, api_key: str, name: str, timeout: float) -> Self:
        """An endpoint by its address; `timeout` seconds bound one call."""
        client = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            # Retries are ours alone: two policies multiply.
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        )
        return cls(client, name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(self, ask: Ask, seconds: float) -> Completion:
        """The model's answer within `seconds`, retries included; safe to cancel.

        Raises:
            ModelError: after the retries, or at once while the circuit is open.
        """
        if not self._breaker.allows(monotonic()):
            raise ModelError(Fault.OPEN)
        try:
            async with asyncio.timeout(seconds):
                completion = await self._with_retries(ask, monotonic() + seconds)
        except TimeoutError:
            self._failed(Fault.TIMEOUT)
            raise ModelError(Fault.TIMEOUT) from None
        except ModelError as error:
            self._failed(error.fault)
            raise
        self._breaker.succeeded()
        metrics.circuit(self._name, is_open=False)
        return completion

    async def transcribe(self, audio: bytes, filename: str, seconds: float) -> str:
        """The words of a voice message (audio/transcriptions), asked for once; its ending names its kind.

        Raises:
            ModelError: no answer in time, or a refusal.
        """
        try:
            async with asyncio.timeout(seconds):
                heard = await self._client.audio.transcriptions.create(
                    model=self._name, file=(filename, audio), response_format="json"
                )
        except TimeoutError:
            raise ModelError(Fault.TIMEOUT) from None
        except openai.APIError as error:
            raise _model_error(error) from None
        return str(heard.text or "")

    async def _with_retries(self, ask: Ask, deadline: float) -> Completion:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(ask)
            except ModelError as error:
                another = _another(ask, error.fault) if attempt == 1 else None
                pause = pause_before_retry(error.fault, attempt, error.retry_after, deadline - monotonic())
                log.warning(
                    "model.failed", fault=error.fault.value, attempt=attempt, retry_in=0 if another else pause
                )
                if another:
                    ask = another
                elif error.rest:
                    return Completion(error.rest, self._name, 0, 0)
                elif pause is None:
                    raise
                else:
                    await asyncio.sleep(pause)

    async def _attempt(self, ask: Ask) -> Completion:
        with self._span() as span:
            try:
                raw = await self._client.chat.completions.create(
                    model=self._name,
                    messages=list(ask.messages),
                    max_tokens=_MAX_TOKENS,
                    temperature=_TEMPERATURE,
                    tools=list(ask.tools) or openai.omit,
                    tool_choice="none" if ask.tools and not ask.may_call else openai.omit,
                )
            except openai.APIError as error:
                raise _model_error(error) from None
            except ValueError:
                # Status 200 with a body that is no JSON: a proxy's error page.
                raise ModelError(Fault.DOWN) from None
            completion = _completion(raw, self._name, span)
            capture.show(span, ask.messages, completion.text)
            return completion

    @contextmanager
    def _span(self) -> Iterator[Span]:
        """A CLIENT span by the GenAI conventions; prompt and answer are in it only if asked for."""
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "deepseek",
            "gen_ai.request.model": self._name,
            "gen_ai.request.max_tokens": _MAX_TOKENS,
            "server.address": str(self._client.base_url.host),
        }
        with tracer.start_as_current_span(
            f"chat {self._name}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            began, fault = monotonic(), ""
            try:
                yield span
            except ModelError as error:
                fault = error.fault.value
                span.set_attribute("error.type", fault)
                span.set_status(Status(StatusCode.ERROR, fault))
                raise
            finally:
                metrics.asked(self._name, monotonic() - began, fault)

    def _failed(self, fault: Fault) -> None:
        self._breaker.failed(fault, monotonic())
        metrics.circuit(self._name, is_open=self._breaker.open_until > monotonic())
        if fault in REMEDIES:
            # Once a minute at most: the circuit is open in between.
            log.error("model.misconfigured", fault=fault.value, remedy=REMEDIES[fault], model=self._name)


def _another(ask: Ask, fault: Fault) -> Ask | None:
    """The question put differently, when that may help where asking the same again cannot."""
    if fault is Fault.CUT:
        return ask.shorter()
    lean = ask.leaner()
    return lean if fault is Fault.REFUSED and lean != ask else None


def _model_error(error: openai.APIError) -> ModelError:
    if isinstance(error, openai.APIStatusError):
        if error.code in ("content_filter", "data_inspection_failed"):
            return ModelError(Fault.FILTERED)
        return ModelError(
            fault_of(error.status_code), _retry_after(error.response.headers.get("retry-after"))
        )
    return ModelError(Fault.TIMEOUT if isinstance(error, openai.APITimeoutError) else Fault.DOWN)


def _retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header; a date, which no model provider sends, counts as absent."""
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        return None


def _completion(raw: ChatCompletion, asked: str, span: Span) -> Completion:
    """The first choice as a completion.

    Raises:
        ModelError: no choice, nothing in it, or the provider's filter, its shortage or our limit cut it off.
    """
    if not getattr(raw, "choices", None):
        raise ModelError(Fault.EMPTY)
    choice, usage = raw.choices[0], raw.usage
    message = choice.message
    completion = Completion(
        text=(message.content or "").strip(),
        model=raw.model or asked,
        input_tokens=usage.prompt_tokens if usage else 0,
        output_tokens=usage.completion_tokens if usage else 0,
        calls=_calls(message.tool_calls),
        reasoning=str(getattr(message, "reasoning_content", None) or ""),
    )
    reason = str(choice.finish_reason)
    span.set_attributes(
        {
            "gen_ai.response.model": completion.model,
            "gen_ai.response.finish_reasons": [reason],
            "gen_ai.usage.input_tokens": completion.input_tokens,
            "gen_ai.usage.output_tokens": completion.output_tokens,
        }
    )
    _check_end(reason, completion)
    return completion


def _check_end(reason: str, completion: Completion) -> None:
    if reason == "content_filter":
        raise ModelError(Fault.FILTERED)
    if reason == "insufficient_system_resource":
        raise ModelError(Fault.BUSY)
    if reason == "length":
        # Arguments of a cut call are cut as well.
        raise ModelError(Fault.CUT, rest=whole_sentences(completion.text))
    if not completion.calls and not without_thoughts(completion.text).strip():
        raise ModelError(Fault.EMPTY)


def _calls(raw: Any) -> tuple[ToolCall, ...]:
    """The calls of functions; endpoints that know other kinds of tools are not asked for them."""
    functions = [call for call in raw or () if getattr(call, "function", None)]
    return tuple(
        ToolCall(call.id or f"call_{place}", call.function.name or "", call.function.arguments or "{}")
        for place, call in enumerate(functions)
    )
