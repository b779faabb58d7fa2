import json
import logging
from pathlib import Path

import pytest
import structlog
from kf_runtime import logging as kf_logging
from kf_runtime.logging import DailyFileHandler
from kf_runtime.postgres import DatabaseError
from opentelemetry.sdk.trace import TracerProvider


def test_a_line_is_json_with_service_and_trace_ids(capsys: pytest.CaptureFixture[str]) -> None:
    kf_logging.setup("test")
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        structlog.get_logger().info("turn.done", outcome="answered", words="中文")
    line = capsys.readouterr().out
    record = json.loads(line)
    assert record["event"] == "turn.done"
    assert record["service"] == "test"
    assert record["level"] == "info"
    assert record["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert "中文" in line


def test_a_library_logs_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    kf_logging.setup("test")
    logging.getLogger("some.library").warning("careful: %s", "x")
    assert json.loads(capsys.readouterr().out)["event"] == "careful: x"


def test_the_http_clients_do_not_log_their_urls(capsys: pytest.CaptureFixture[str]) -> None:
    kf_logging.setup("test", level="DEBUG", debug=True)
    logging.getLogger("httpx").info("GET https://host/cgi-bin/kf/sync_msg?access_token=SECRET")
    assert "SECRET" not in capsys.readouterr().out


def test_errors_are_kept_in_a_file_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kf_logging.setup("test", log_dir=str(tmp_path))
    log = structlog.get_logger()
    log.info("fine")
    try:
        raise FileNotFoundError("broken")
    except FileNotFoundError:
        log.exception("bad")
    (app,) = tmp_path.glob("app_????????.log")
    (error,) = tmp_path.glob("error_????????.log")
    assert [json.loads(line)["event"] for line in app.read_text().splitlines()] == ["fine", "bad"]
    assert "FileNotFoundError: broken" in json.loads(error.read_text())["exception"]
    capsys.readouterr()


def test_an_exception_tells_where_and_what_kind_but_never_quotes_a_customer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kf_logging.setup("test")
    # Not a literal where it is raised: a traceback shows the source line.
    phone = "13800138000"
    try:
        try:
            raise ValueError(f"DETAIL: Failing row contains ({phone})")
        except ValueError as error:
            raise ExceptionGroup("two", [KeyError(phone), DatabaseError("ask for a role")]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("work.failed")
    text = json.loads(capsys.readouterr().out)["exception"]
    assert phone not in text
    assert "test_logging.py" in text
    assert [kind in text for kind in ("ValueError", "KeyError", "DatabaseError: ask for a role")] == [
        True
    ] * 3


def test_old_daily_files_are_removed(tmp_path: Path) -> None:
    for day in range(1, 21):
        (tmp_path / f"app_202001{day:02}.log").write_text("old\n")
    handler = DailyFileHandler(tmp_path, "app")
    handler.emit(logging.LogRecord("n", logging.INFO, "f", 1, "new", None, None))
    handler.close()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 14
    assert "app_20200107.log" not in left


def test_a_customer_is_logged_as_a_short_hash() -> None:
    assert kf_logging.hashed("wmAbC") != kf_logging.hashed("wmabc")
    assert len(kf_logging.hashed("wmAbC")) == 12
    assert kf_logging.hashed("") == ""
