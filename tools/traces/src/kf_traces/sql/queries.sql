-- name: add_trace
INSERT OR IGNORE INTO traces (trace_id) VALUES (?);

-- name: trace_key
SELECT id FROM traces WHERE trace_id = ?;

-- name: add_resource
INSERT OR IGNORE INTO resources (attributes) VALUES (?);

-- name: resource_key
SELECT id FROM resources WHERE attributes = ?;

-- name: add_span
INSERT OR IGNORE INTO spans
  (trace, span_id, parent_span_id, name, service, kind, start_ns, end_ns, status, status_message, scope,
   resource, attributes, events, links)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_term
INSERT INTO terms (span, trace, key, value) VALUES (?, ?, ?, ?);

-- name: add_link
INSERT INTO links (trace, span_id, linked_trace_id, linked_span_id) VALUES (?, ?, ?, ?);

-- name: add_message
INSERT OR IGNORE INTO messages (trace, msgid) VALUES (:trace, :msgid);

-- name: add_turn
INSERT INTO turns (msgid, turn_id, trace, outcome, end_ns) VALUES (:msgid, :turn_id, :trace, :outcome, :end_ns)
ON CONFLICT (msgid, turn_id) DO UPDATE SET outcome = excluded.outcome, end_ns = excluded.end_ns
WHERE excluded.end_ns > end_ns;

-- name: add_command
INSERT OR IGNORE INTO commands (command_id, turn_id, trace) VALUES (:command_id, :turn_id, :trace);

-- name: add_send
INSERT INTO sends (command_id, part, parts, trace, outcome, end_ns)
VALUES (:command_id, :part, :parts, :trace, :outcome, :end_ns)
ON CONFLICT (command_id, part) DO UPDATE SET parts = excluded.parts, outcome = excluded.outcome, end_ns = excluded.end_ns
WHERE excluded.end_ns > end_ns;

-- name: add_failure
-- Beside the parts, as number 0: it holds until a part is sent anew.
INSERT INTO sends (command_id, part, parts, trace, outcome, end_ns)
SELECT :command_id, 0, coalesce(max(parts), 1), :trace, :outcome, :end_ns FROM sends WHERE command_id = :command_id
ON CONFLICT (command_id, part) DO UPDATE SET outcome = excluded.outcome, end_ns = excluded.end_ns
WHERE excluded.end_ns > end_ns;

-- name: end_failure
DELETE FROM sends WHERE command_id = :command_id AND part = 0 AND end_ns < :end_ns AND :outcome = 'delivered';

-- name: used_bytes
SELECT (p.page_count - f.freelist_count) * s.page_size
FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s;

-- name: drop_oldest
DELETE FROM traces WHERE id IN (SELECT id FROM traces ORDER BY id LIMIT ?);

-- name: drop_all
-- Children first: an emptied table costs nothing, a cascade a look-up for each row.
DELETE FROM terms;
DELETE FROM links;
DELETE FROM messages;
DELETE FROM turns;
DELETE FROM commands;
DELETE FROM sends;
DELETE FROM trace_services;
DELETE FROM spans;
DELETE FROM stale;
DELETE FROM traces;
DELETE FROM resources;

-- name: is_known_value
SELECT EXISTS (SELECT 1 FROM terms WHERE value = :value) OR EXISTS (SELECT 1 FROM traces WHERE trace_id = :value);

-- name: some_stale
SELECT json_group_array(trace) FROM (SELECT trace FROM stale ORDER BY trace DESC LIMIT ?);

-- name: refresh_rows
-- A turn may answer messages of other traces, and its commands are sent in its own: their rows change too.
WITH changed AS (SELECT value AS trace FROM json_each(:traces))
UPDATE traces SET (row, errcodes, account, unanswered) =
  (SELECT f.row, f.errcodes, f.account, f.unanswered FROM fresh_rows f WHERE f.id = traces.id)
WHERE id IN (
  SELECT trace FROM changed
  UNION
  SELECT m.trace FROM changed s JOIN turns u ON u.trace = s.trace JOIN messages m ON m.msgid = u.msgid
  UNION
  SELECT m.trace FROM changed s JOIN commands c ON c.trace = s.trace JOIN turns u ON u.turn_id = c.turn_id
    JOIN messages m ON m.msgid = u.msgid
  UNION
  SELECT m.trace FROM changed s JOIN sends d ON d.trace = s.trace JOIN commands c ON c.command_id = d.command_id
    JOIN turns u ON u.turn_id = c.turn_id JOIN messages m ON m.msgid = u.msgid);

-- name: forget_stale
DELETE FROM stale WHERE trace IN (SELECT value FROM json_each(:traces));

-- name: is_stale
SELECT EXISTS (SELECT 1 FROM stale);

-- name: list_traces
-- A trace so new that it has no row yet gets one here.
SELECT t.trace_id, t.start_ns, t.errcodes,
  CASE WHEN t.row <> '' THEN t.row ELSE (SELECT f.row FROM fresh_rows f WHERE f.id = t.id) END AS row
FROM traces t
WHERE t.start_ns < :before
  AND t.end_ns - t.start_ns >= :min_ns
  AND (:status IS NULL OR (:status = 'error') = (t.error_count > 0))
  AND (:service IS NULL
       OR EXISTS (SELECT 1 FROM trace_services s WHERE s.trace = t.id AND s.service = :service))
  AND (:account IS NULL
       OR EXISTS (SELECT 1 FROM terms WHERE terms.value = :account AND terms.trace = t.id AND +terms.key = 'kf.open_kfid'))
  AND (NOT :unanswered OR t.unanswered)
  AND NOT EXISTS (
    SELECT 1 FROM json_each(:values) word
    WHERE t.trace_id <> word.value
      AND NOT EXISTS (SELECT 1 FROM terms WHERE terms.value = word.value AND terms.trace = t.id))
  AND NOT EXISTS (
    SELECT 1 FROM json_each(:pairs) pair
    WHERE NOT EXISTS (
      SELECT 1 FROM terms
      WHERE terms.value = json_extract(pair.value, '$[1]') AND terms.trace = t.id
        AND +terms.key = json_extract(pair.value, '$[0]'))) -- the plus keeps the index on (value, trace)
  AND NOT EXISTS (
    SELECT 1 FROM json_each(:scanned_pairs) pair
    WHERE NOT EXISTS (
      SELECT 1 FROM spans, json_each(spans.attributes) a
      WHERE spans.trace = t.id AND a.key = json_extract(pair.value, '$[0]')
        AND CASE WHEN a.type IN ('true', 'false') THEN a.type ELSE CAST(a.value AS TEXT) END
            = json_extract(pair.value, '$[1]')))
  AND NOT EXISTS (
    SELECT 1 FROM json_each(:patterns) pattern
    WHERE t.trace_id NOT LIKE pattern.value ESCAPE '\'
      AND NOT EXISTS (
        SELECT 1 FROM spans
        WHERE spans.trace = t.id
          AND (spans.name LIKE pattern.value ESCAPE '\' OR spans.attributes LIKE pattern.value ESCAPE '\'
               OR spans.status_message LIKE pattern.value ESCAPE '\' OR spans.events LIKE pattern.value ESCAPE '\')))
ORDER BY t.start_ns DESC
LIMIT :limit;

-- name: trace_spans
SELECT t.trace_id, s.*, r.attributes AS resource_attributes
FROM traces t JOIN spans s ON s.trace = t.id JOIN resources r ON r.id = s.resource
WHERE t.trace_id = ?
ORDER BY s.start_ns, s.id;

-- name: related_traces
-- A trace so new that it has no row yet gets one here.
SELECT t.trace_id, t.start_ns, t.errcodes,
  CASE WHEN t.row <> '' THEN t.row ELSE (SELECT f.row FROM fresh_rows f WHERE f.id = t.id) END AS row
FROM traces t
WHERE t.trace_id <> :trace_id AND (
  t.id IN (SELECT trace FROM links WHERE linked_trace_id = :trace_id)
  OR t.trace_id IN (SELECT l.linked_trace_id FROM links l JOIN traces o ON o.id = l.trace WHERE o.trace_id = :trace_id))
ORDER BY t.start_ns
LIMIT 100;

-- name: spans_by_term
SELECT t.trace_id, s.*, r.attributes AS resource_attributes
FROM spans s JOIN traces t ON t.id = s.trace JOIN resources r ON r.id = s.resource
WHERE s.id IN (SELECT span FROM terms WHERE value = :value AND key = :key)
ORDER BY s.start_ns DESC
LIMIT :limit;

-- name: spans_by_scan
SELECT t.trace_id, s.*, r.attributes AS resource_attributes
FROM spans s JOIN traces t ON t.id = s.trace JOIN resources r ON r.id = s.resource
WHERE EXISTS (
  SELECT 1 FROM json_each(s.attributes) a
  WHERE a.key = :key AND CASE WHEN a.type IN ('true', 'false') THEN a.type ELSE CAST(a.value AS TEXT) END = :value)
ORDER BY s.start_ns DESC
LIMIT :limit;

-- name: services
SELECT service, count(*) AS traces FROM trace_services GROUP BY service ORDER BY service;

-- name: accounts
SELECT value AS account, count(DISTINCT trace) AS traces FROM terms WHERE key = 'kf.open_kfid'
GROUP BY value ORDER BY traces DESC, value LIMIT 200;

-- name: totals
SELECT count(*) AS traces, coalesce(sum(span_count), 0) AS spans FROM traces;
