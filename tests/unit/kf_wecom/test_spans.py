"""The client's spans: named by template, with errcode, without token; and no trace headers towards WeCom."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from kf_wecom import transport as transport_module
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.errors import WecomError
from kf_wecom.models import Text
from kf_wecom.token import LocalToken
from kf_wecom.transport import Transport
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.fakes.wecom_api import Raw, WecomApi, wecom_api

SEND = "/cgi-bin/kf/send_msg"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(transport_module, "_tracer", provider.get_tracer("kf_wecom"))
    return exporter


@pytest.fixture
async def api() -> AsyncIterator[WecomApi]:
    async with wecom_api() as api:
        yield api


@pytest.fixture
async def client(api: WecomApi) -> AsyncIterator[WecomClient]:
    async with Transport(api.base_url) as transport:
        yield WecomClient(transport, LocalToken(partial(fetch_token, transport, "wwCorp", "TopSecret")))


async def send(client: WecomClient) -> None:
    await client.send_msg(touser="wmCustomer", open_kfid="wk1", content=Text(content="private words"))


def last(exporter: InMemorySpanExporter) -> ReadableSpan:
    return exporter.get_finished_spans()[-1]


async def test_a_call_is_a_client_span_named_by_its_template(
    api: WecomApi, client: WecomClient, exporter: InMemorySpanExporter
) -> None:
    await send(client)
    span = last(exporter)
    assert span.name == f"POST {SEND}"
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "url.template": SEND,
        "server.address": "127.0.0.1",
        "server.port": int(api.base_url.rsplit(":", 1)[1]),
        "http.response.status_code": 200,
        "kf.wecom.errcode": 0,
    }


@pytest.mark.parametrize(
    ("answer", "error_type", "errcode"),
    [
        ({"errcode": 95018, "errmsg": "private words SecretToken1"}, "95018", 95018),
        (Raw(b"<html>", status=502), "http_502", None),
        (Raw(drop=True), "remote_protocol_error", None),
    ],
)
async def test_a_failure_is_marked_with_its_type(
    api: WecomApi,
    client: WecomClient,
    exporter: InMemorySpanExporter,
    answer: dict[str, object] | Raw,
    error_type: str,
    errcode: int | None,
) -> None:
    api.on(SEND, answer)
    with pytest.raises(WecomError):
        await send(client)
    attributes = last(exporter).attributes or {}
    assert last(exporter).status.status_code is StatusCode.ERROR
    assert (attributes["error.type"], attributes.get("kf.wecom.errcode")) == (error_type, errcode)


async def test_a_renewed_token_shows_as_three_spans(
    api: WecomApi, client: WecomClient, exporter: InMemorySpanExporter
) -> None:
    await send(client)
    api.on(SEND, {"errcode": 42001, "errmsg": "access_token expired"})
    exporter.clear()
    await send(client)
    names = [span.name for span in exporter.get_finished_spans()]
    assert names == [f"POST {SEND}", "GET /cgi-bin/gettoken", f"POST {SEND}"]


async def test_no_span_holds_a_secret_and_no_request_a_trace_header(
    api: WecomApi, client: WecomClient, exporter: InMemorySpanExporter
) -> None:
    api.on(SEND, {"errcode": 42001, "errmsg": "SecretToken1 private words"}, Raw(drop=True))
    with pytest.raises(WecomError):
        await send(client)
    dumped = "".join(span.to_json() for span in exporter.get_finished_spans())
    for secret in ("SecretToken", "TopSecret", "wwCorp", "wmCustomer", "private words"):
        assert secret not in dumped
    for asked in api.asked:
        assert not {"traceparent", "tracestate", "baggage"} & asked.headers.keys()
        assert "debug" not in asked.query
