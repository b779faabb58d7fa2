-- The list's row of each trace, ready as the JSON that the page reads: 10,000 of them are one scan. A trace whose
-- spans have changed is stale until its row is made anew.

ALTER TABLE traces ADD COLUMN row TEXT NOT NULL DEFAULT '';
ALTER TABLE traces ADD COLUMN errcodes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE traces ADD COLUMN account TEXT;
ALTER TABLE traces ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;
CREATE INDEX traces_unanswered ON traces (start_ns) WHERE unanswered;

CREATE TABLE stale (trace INTEGER PRIMARY KEY REFERENCES traces (id) ON DELETE CASCADE);
INSERT INTO stale SELECT id FROM traces;
CREATE TRIGGER span_changes_row AFTER INSERT ON spans BEGIN INSERT OR IGNORE INTO stale VALUES (NEW.trace); END;

CREATE INDEX messages_by_msgid ON messages (msgid);
CREATE INDEX turns_by_id ON turns (turn_id);

CREATE VIEW fresh_rows AS
SELECT s.id, s.account, s.errcodes,
  EXISTS (SELECT 1 FROM message_ends e WHERE e.trace = s.id AND e.outcome <> 'delivered') AS unanswered,
  json_object(
    'trace_id', s.trace_id, 'name', s.root_name, 'service', s.root_service, 'services', json(s.services),
    'start_ns', s.start_ns, 'end_ns', s.end_ns, 'duration_ms', (s.end_ns - s.start_ns) / 1e6,
    'span_count', s.span_count, 'error', json(CASE WHEN s.error_count > 0 THEN 'true' ELSE 'false' END),
    'error_count', s.error_count, 'error_message', s.error_message, 'account', s.account,
    'msgids', json(s.msgids), 'outcome', s.outcome, 'errcodes', json(s.errcodes)) AS row
FROM summaries s;
