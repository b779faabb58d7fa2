-- How each customer message went on: its turns, their commands, the last attempt at each part. Kept beside the spans
-- because a turn may answer messages of several traces, and its attempts arrive in any order.

CREATE TABLE messages (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  msgid TEXT NOT NULL,
  PRIMARY KEY (trace, msgid)
) WITHOUT ROWID;

CREATE TABLE turns (
  msgid   TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  trace   INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  outcome TEXT NOT NULL,
  end_ns  INTEGER NOT NULL,
  PRIMARY KEY (msgid, turn_id)
) WITHOUT ROWID;
CREATE INDEX turns_by_trace ON turns (trace);

CREATE TABLE commands (
  command_id TEXT PRIMARY KEY,
  turn_id    TEXT NOT NULL,
  trace      INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX commands_by_turn ON commands (turn_id);
CREATE INDEX commands_by_trace ON commands (trace);

CREATE TABLE sends (
  command_id TEXT NOT NULL,
  part       INTEGER NOT NULL,
  parts      INTEGER NOT NULL,
  trace      INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  outcome    TEXT NOT NULL,
  end_ns     INTEGER NOT NULL,
  PRIMARY KEY (command_id, part)
) WITHOUT ROWID;
CREATE INDEX sends_by_trace ON sends (trace);

-- The accounts to choose from, without reading every term.
CREATE INDEX terms_of_accounts ON terms (value, trace) WHERE key = 'kf.open_kfid';

-- delivered: every part was. Else the outcome of the latest attempt that was not, else the turn's, else waiting.
-- HAVING max() makes SQLite take the bare column from that latest attempt, and no row where nothing was tried.
CREATE VIEW message_ends AS
SELECT m.trace, m.msgid, coalesce(
  (SELECT CASE WHEN s.outcome = 'delivered' AND count(*) < avg(s.parts) THEN 'sending' ELSE s.outcome END
   FROM turns u JOIN commands c ON c.turn_id = u.turn_id JOIN sends s ON s.command_id = c.command_id
   WHERE u.msgid = m.msgid
   HAVING max((s.outcome <> 'delivered') * s.end_ns) >= 0),
  (SELECT u.outcome FROM turns u WHERE u.msgid = m.msgid ORDER BY u.end_ns DESC LIMIT 1),
  'waiting') AS outcome
FROM messages m;

-- One row of the list. Of several messages the one that still lacks an answer tells the outcome.
CREATE VIEW summaries AS
SELECT t.id, t.trace_id, t.root_name, t.root_service, t.start_ns, t.end_ns, t.span_count, t.error_count, t.error_message,
  (SELECT json_group_array(s.service) FROM trace_services s WHERE s.trace = t.id) AS services,
  (SELECT value FROM terms WHERE trace = t.id AND key = 'kf.open_kfid' LIMIT 1) AS account,
  (SELECT json_group_array(m.msgid) FROM messages m WHERE m.trace = t.id) AS msgids,
  (SELECT json_group_array(DISTINCT value) FROM terms
   WHERE trace = t.id AND key IN ('kf.errcode', 'kf.wecom.errcode') AND value <> '0') AS errcodes,
  coalesce(
    (SELECT e.outcome FROM message_ends e WHERE e.trace = t.id ORDER BY e.outcome = 'delivered' LIMIT 1),
    (SELECT s.outcome FROM sends s WHERE s.trace = t.id ORDER BY s.end_ns DESC LIMIT 1),
    (SELECT u.outcome FROM turns u WHERE u.trace = t.id ORDER BY u.end_ns DESC LIMIT 1)) AS outcome
FROM traces t;
