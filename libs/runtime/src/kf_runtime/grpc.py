"""gRPC as the services use it: a server with health, channels that survive restarts, a span per call."""

from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from typing_extensions import override

from kf_runtime import instruments, telemetry

tracer = trace.get_tracer("kf_runtime.grpc")

READY = "ready"
"""Service name of the health check that stands for readiness; the empty name stands for liveness."""

_OPTIONS = [
    ("grpc.max_receive_message_length", 8 * 1024 * 1024),
    ("grpc.max_send_message_length", 8 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 20_000),
    # A peer that comes back is found in a second instead of the default's two minutes.
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.so_reuseport", 0),
]


def _attributes(method: str) -> dict[str, str]:
    return {"rpc.system.name": "grpc", "rpc.method": method.lstrip("/")}


class ClientTracing(grpc.aio.UnaryUnaryClientInterceptor):
    """A CLIENT span around each unary call; its context travels in the metadata."""

    @override
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        details = client_call_details
        method = details.method.decode() if isinstance(details.method, bytes) else str(details.method)
        with (
            tracer.start_as_current_span(
                method.lstrip("/"), kind=SpanKind.CLIENT, attributes=_attributes(method)
            ) as span,
            instruments.timed(instruments.called, {"rpc.method": method.lstrip("/")}) as told,
        ):
            metadata = grpc.aio.Metadata(*(details.metadata or ()), *telemetry.carrier().items())
            call = await continuation(details._replace(metadata=metadata), request)
            code = await call.code()
            _tell(span, told, code.name)
            if code is not grpc.StatusCode.OK:
                span.set_status(Status(StatusCode.ERROR, code.name))
            return call


class ServerTracing(grpc.aio.ServerInterceptor):
    """A SERVER span around each unary call, child of the caller's; health checks have none."""

    @override
    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        details = handler_call_details
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None or details.method.startswith("/grpc."):
            return handler
        metadata = {k: v for k, v in details.invocation_metadata or () if isinstance(v, str)}

        async def traced(request: Any, context: Any) -> Any:
            with (
                tracer.start_as_current_span(
                    details.method.lstrip("/"),
                    context=propagate.extract(metadata),
                    kind=SpanKind.SERVER,
                    attributes=_attributes(details.method),
                ) as span,
                instruments.timed(instruments.served, {"rpc.method": details.method.lstrip("/")}) as told,
            ):
                try:
                    reply = await handler.unary_unary(request, context)
                except Exception:
                    # abort() raises too, with its code set; anything else reaches the caller as UNKNOWN.
                    _tell(span, told, _name(context.code() or _UNKNOWN))
                    raise
                _tell(span, told, _name(context.code()))
                return reply

        return grpc.unary_unary_rpc_method_handler(
            traced, handler.request_deserializer, handler.response_serializer
        )


_UNKNOWN = grpc.StatusCode.UNKNOWN


def _tell(span: trace.Span, told: instruments.Attributes, code: str) -> None:
    span.set_attribute("rpc.response.status_code", code)
    told["rpc.response.status_code"] = code


def _name(code: Any) -> str:
    """The status a servicer set, as its name; none set means OK. aio gives the enum or its number."""
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code or 0
    return next((status.name for status in grpc.StatusCode if status.value[0] == number), "UNKNOWN")


def channel(target: str) -> grpc.aio.Channel:
    """A channel that balances over all addresses of `target` and reconnects within a second."""
    options = [*_OPTIONS, ("grpc.lb_policy_name", "round_robin")]
    return grpc.aio.insecure_channel(target, options=options, interceptors=[ClientTracing()])


class PortTakenError(OSError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken")
        self.port = port


class Server:
    """A gRPC server with the standard health service; without other services it is a health endpoint."""

    def __init__(self, host: str, port: int) -> None:
        self.server = grpc.aio.server(interceptors=[ServerTracing()], options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        self._host, self._port = host, port

    async def start(self) -> int:
        """Listen and serve; returns the port (a free one when 0 was asked for).

        Raises:
            PortTakenError: somebody else has the port.
        """
        try:
            port = self.server.add_insecure_port(f"{self._host}:{self._port}")
        except RuntimeError:
            raise PortTakenError(self._port) from None
        await self.server.start()
        await self.set_ready(ready=False)
        return port

    async def set_ready(self, *, ready: bool) -> None:
        """Say whether this process should get work; liveness stays SERVING."""
        status = health_pb2.HealthCheckResponse
        await self._health.set(READY, status.SERVING if ready else status.NOT_SERVING)

    async def stop(self, grace: float = 10.0) -> None:
        """Refuse new calls and let those under way end within `grace` seconds."""
        await self.server.stop(grace)
