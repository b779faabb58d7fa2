-- What the dashboard keeps: spans, the summary of each trace, and the terms they are found by.

CREATE TABLE traces (
  id            INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival; the ring drops the lowest first
  trace_id      TEXT NOT NULL UNIQUE,
  root_rank     INTEGER NOT NULL DEFAULT 9,        -- 0: the root arrived; 1: only spans below it so far
  root_start_ns INTEGER NOT NULL DEFAULT 0,
  root_name     TEXT NOT NULL DEFAULT '',
  root_service  TEXT NOT NULL DEFAULT '',
  start_ns      INTEGER,
  end_ns        INTEGER,
  span_count    INTEGER NOT NULL DEFAULT 0,
  error_count   INTEGER NOT NULL DEFAULT 0,
  error_message TEXT NOT NULL DEFAULT ''
);
CREATE INDEX traces_by_start ON traces (start_ns);

CREATE TABLE trace_services (
  trace   INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  service TEXT NOT NULL,
  PRIMARY KEY (trace, service)
);
CREATE INDEX trace_services_by_service ON trace_services (service);

CREATE TABLE resources (
  id         INTEGER PRIMARY KEY,
  attributes TEXT NOT NULL UNIQUE
);

CREATE TABLE spans (
  id             INTEGER PRIMARY KEY,
  trace          INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  span_id        TEXT NOT NULL,
  parent_span_id TEXT NOT NULL,
  name           TEXT NOT NULL,
  service        TEXT NOT NULL,
  kind           TEXT NOT NULL,
  start_ns       INTEGER NOT NULL,
  end_ns         INTEGER NOT NULL,
  status         TEXT NOT NULL,
  status_message TEXT NOT NULL,
  scope          TEXT NOT NULL,
  resource       INTEGER NOT NULL REFERENCES resources (id),
  attributes     TEXT NOT NULL,
  events         TEXT NOT NULL,
  links          TEXT NOT NULL,
  UNIQUE (trace, span_id)
);

-- Attribute values of the indexed key families: an exact id is found without reading spans.
CREATE TABLE terms (
  span  INTEGER NOT NULL,
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  key   TEXT NOT NULL,
  value TEXT NOT NULL
);
CREATE INDEX terms_by_value ON terms (value, trace);
CREATE INDEX terms_by_trace ON terms (trace, key);

CREATE TABLE links (
  trace           INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  span_id         TEXT NOT NULL,
  linked_trace_id TEXT NOT NULL,
  linked_span_id  TEXT NOT NULL
);
CREATE INDEX links_by_linked ON links (linked_trace_id);
CREATE INDEX links_by_trace ON links (trace);

-- A retried export repeats spans; only rows that are really new reach this trigger, so the counts stay true.
CREATE TRIGGER span_arrived AFTER INSERT ON spans
BEGIN
  UPDATE traces SET
    start_ns = min(coalesce(start_ns, NEW.start_ns), NEW.start_ns),
    end_ns = max(coalesce(end_ns, NEW.end_ns), NEW.end_ns),
    span_count = span_count + 1,
    error_count = error_count + (NEW.status = 'error'),
    error_message = CASE WHEN NEW.status = 'error' AND error_message = '' THEN NEW.status_message
                         ELSE error_message END
  WHERE id = NEW.trace;
  UPDATE traces SET
    root_rank = (NEW.parent_span_id <> ''),
    root_start_ns = NEW.start_ns,
    root_name = NEW.name,
    root_service = NEW.service
  WHERE id = NEW.trace AND ((NEW.parent_span_id <> ''), NEW.start_ns) < (root_rank, root_start_ns);
  INSERT OR IGNORE INTO trace_services (trace, service) VALUES (NEW.trace, NEW.service);
END;
