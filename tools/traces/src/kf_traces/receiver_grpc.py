"""OTLP over gRPC: traces are stored, of metrics the newest values kept, logs accepted and dropped."""

import grpc
import grpc.aio
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from kf_traces.metrics import Board
from kf_traces.otlp import MalformedExportError, parse_export
from kf_traces.writer import OverloadedError, StoreFailedError, Writer

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"

# bytes in, bytes out: with a deserializer gRPC answers INTERNAL for a malformed body, and that is retried.
_Context = grpc.aio.ServicerContext[bytes, bytes]


def build_grpc_server(writer: Writer, board: Board) -> grpc.aio.Server:
    """A server without an address yet; one request is at most MAX_MESSAGE_BYTES, also after decompression."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            # Otherwise a second process takes the same port in silence and half of the spans.
            ("grpc.so_reuseport", 0),
        ]
    )

    async def export_traces(body: bytes, context: _Context) -> bytes:
        try:
            export = parse_export(body)
            await writer.submit(export.spans)
        except MalformedExportError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except (OverloadedError, StoreFailedError) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return export.response().SerializeToString()

    async def keep_metrics(body: bytes, context: _Context) -> bytes:
        try:
            board.take(body)
        except MalformedExportError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return ExportMetricsServiceResponse().SerializeToString()

    async def drop_logs(body: bytes, context: _Context) -> bytes:
        return ExportLogsServiceResponse().SerializeToString()

    exports = (
        ("trace", "Trace", export_traces),
        ("metrics", "Metrics", keep_metrics),
        ("logs", "Logs", drop_logs),
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                _SERVICE.format(package, name), {"Export": grpc.unary_unary_rpc_method_handler(export)}
            )
            for package, name, export in exports
        ]
    )
    return server
