"""Asks the model through the openai client: bounded retries, a circuit breaker, a span per call."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Self

import openai
import structlog
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from kf_dialog.plain_text import to_plain_text
from kf_dialog.retry import REMEDIES, Breaker, Fault, fault_of, pause_before_retry

log = structlog.get_logger()
tracer = trace.get_tracer("kf_dialog.model")

_CONNECT_SECONDS = 5.0
_MAX_TOKENS = 1024
_TEMPERATURE = 0.2


class ModelError(Exception):
    """The model gave no usable answer; the message is the fault's name, never the provider's words."""

    def __init__(self, fault: Fault, retry_after: float | None = None) -> None:
        super().__init__(fault.value)
        self.fault, self.retry_after = fault, retry_after


@dataclass(frozen=True)
class Completion:
    """One answer of the model."""

    text: str
    """Plain text, not empty."""
    model: str
    input_tokens: int
    output_tokens: int


class Model:
    """One OpenAI-compatible chat endpoint."""

    def __init__(self, client: AsyncOpenAI, name: str, timeout: float) -> None:
        self._client, self._name, self._timeout = client, name, timeout
        self._breaker = Breaker()

    @classmethod
    def open(cls, base_url: str, api_key: str, name: str, timeout: float) -> Self:
        """An endpoint by its address; `timeout` seconds bound one answer, retries included."""
        client = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            # Retries are ours alone: two policies multiply.
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        )
        return cls(client, name, timeout)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(self, messages: Sequence[ChatCompletionMessageParam]) -> Completion:
        """The model's answer as plain text; safe to cancel.

        Raises:
            ModelError: after the retries, or at once while the circuit is open.
        """
        if not self._breaker.allows(monotonic()):
            raise ModelError(Fault.OPEN)
        try:
            async with asyncio.timeout(self._timeout):
                completion = await self._with_retries(messages, monotonic() + self._timeout)
        except TimeoutError:
            self._failed(Fault.TIMEOUT)
            raise ModelError(Fault.TIMEOUT) from None
        except ModelError as error:
            self._failed(error.fault)
            raise
        self._breaker.succeeded()
        return completion

    async def _with_retries(
        self, messages: Sequence[ChatCompletionMessageParam], deadline: float
    ) -> Completion:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(messages)
            except ModelError as error:
                left = deadline - monotonic()
                pause = pause_before_retry(error.fault, attempt, error.retry_after, left)
                log.warning("model.failed", fault=error.fault.value, attempt=attempt, retry_in=pause)
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    async def _attempt(self, messages: Sequence[ChatCompletionMessageParam]) -> Completion:
        with self._span() as span:
            try:
                raw = await self._client.chat.completions.create(
                    model=self._name,
                    messages=list(messages),
                    max_tokens=_MAX_TOKENS,
                    temperature=_TEMPERATURE,
                )
            except openai.APIError as error:
                raise _model_error(error) from None
            except ValueError:
                # Status 200 with a body that is no JSON: a proxy's error page.
                raise ModelError(Fault.DOWN) from None
            return _completion(raw, self._name, span)

    @contextmanager
    def _span(self) -> Iterator[Span]:
        """A CLIENT span by the GenAI conventions; neither prompt nor answer is in it."""
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
            try:
                yield span
            except ModelError as error:
                span.set_attribute("error.type", error.fault.value)
                span.set_status(Status(StatusCode.ERROR, error.fault.value))
                raise

    def _failed(self, fault: Fault) -> None:
        self._breaker.failed(fault, monotonic())
        if fault in REMEDIES:
            # Once a minute at most: the circuit is open in between.
            log.error("model.misconfigured", fault=fault.value, remedy=REMEDIES[fault])


def _model_error(error: openai.APIError) -> ModelError:
    if isinstance(error, openai.APIStatusError):
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
        ModelError: no choice, an empty text, or the provider's filter or shortage cut it off.
    """
    if not getattr(raw, "choices", None):
        raise ModelError(Fault.EMPTY)
    choice, usage = raw.choices[0], raw.usage
    completion = Completion(
        text=to_plain_text(choice.message.content or ""),
        model=raw.model or asked,
        input_tokens=usage.prompt_tokens if usage else 0,
        output_tokens=usage.completion_tokens if usage else 0,
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
    if reason == "content_filter":
        raise ModelError(Fault.REFUSED)
    if not completion.text or reason == "insufficient_system_resource":
        raise ModelError(Fault.EMPTY)
    return completion
