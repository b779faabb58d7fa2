-- What follows when WeCom could not deliver, "continue" against an answer to the same message, and the end of old rows.

ALTER TABLE customer_queue ADD COLUMN rest_command text NOT NULL DEFAULT '';

DROP FUNCTION delivery_failed(text, text, text, text, text, text);

-- As before, and: what is more than text goes out as text before it fails (fate `as_text`), and an answer that failed for
-- good is replaced once by a few words: the caller stores them as the command `substitute`.
CREATE FUNCTION delivery_failed(kfid text, userid text, failed_msgid text, wanted text, why text, new_msgid text)
RETURNS TABLE (command_id text, fate text, substitute text, turn_id text, carrier jsonb)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    lost part%ROWTYPE;
    owner command%ROWTYPE;
    turn customer_queue%ROWTYPE;
    fate text := wanted;
    words text := '';
BEGIN
    SELECT * INTO turn FROM customer_queue q WHERE q.open_kfid = kfid AND q.external_userid = userid FOR UPDATE;
    SELECT * INTO lost FROM part p WHERE p.open_kfid = kfid AND p.external_userid = userid AND p.msgid = failed_msgid;
    IF NOT FOUND OR lost.status NOT IN ('sent', 'unknown', 'sending') THEN
        RETURN;
    END IF;
    SELECT * INTO owner FROM command c
    WHERE c.open_kfid = kfid AND c.external_userid = userid AND c.command_id = lost.command_id;
    IF turn.lease_until > steady() THEN
        RETURN QUERY SELECT lost.command_id, 'busy', '', owner.turn_id, owner.carrier;
        RETURN;
    END IF;
    IF fate = 'failed' AND owner.kind = 'send_content' AND lost.code <> 'text' THEN
        fate := 'as_text';
    END IF;
    IF fate = 'failed' AND owner.kind IN ('send_reply', 'send_content') AND owner.replaced_by = ''
        AND owner.command_id NOT LIKE 'sub-%' THEN
        words := 'sub-' || new_msgid;
    END IF;
    UPDATE part p SET status = CASE WHEN fate = 'failed' THEN 'failed' ELSE 'pending' END,
        msgid = CASE WHEN fate = 'failed' THEN p.msgid ELSE new_msgid END,
        -- What never left the account counts for nothing.
        sent_at = CASE WHEN fate = 'queued' THEN NULL ELSE p.sent_at END,
        code = CASE WHEN fate = 'as_text' THEN 'text' ELSE p.code END
    WHERE p.open_kfid = kfid AND p.external_userid = userid AND p.msgid = failed_msgid;
    UPDATE command c SET status = CASE WHEN fate = 'as_text' THEN 'queued' ELSE fate END, reason = why, offered = false,
        changed_at = clock_timestamp(), replaced_by = CASE WHEN words = '' THEN c.replaced_by ELSE words END,
        parts_sent = (SELECT count(*) FROM part p WHERE (p.open_kfid, p.external_userid, p.command_id)
            = (c.open_kfid, c.external_userid, c.command_id) AND p.status = 'sent')
    WHERE c.open_kfid = kfid AND c.external_userid = userid AND c.command_id = lost.command_id;
    IF fate = 'held' THEN
        UPDATE customer_queue q SET refused = true WHERE q.open_kfid = kfid AND q.external_userid = userid;
    END IF;
    PERFORM queue_customer(kfid, userid);
    RETURN QUERY SELECT lost.command_id, fate, words, owner.turn_id, owner.carrier;
END $$;

-- As before, and: a message that asks for the rest has one answer. If dialog's is on its way already, the rest stays; if
-- it only waits, it is dropped (docs/adr/0006).
CREATE OR REPLACE FUNCTION customer_spoke(kfid text, userid text, said text, said_at timestamptz, wants_rest boolean,
    fresh interval)
RETURNS text LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    turn customer_queue%ROWTYPE;
    rest text;
BEGIN
    INSERT INTO customer_queue (open_kfid, external_userid) VALUES (kfid, userid) ON CONFLICT DO NOTHING;
    SELECT * INTO turn FROM customer_queue q WHERE q.open_kfid = kfid AND q.external_userid = userid FOR UPDATE;
    IF said_at < turn.spoke_at OR (said_at = turn.spoke_at AND said = turn.spoke_msgid) THEN
        RETURN 'repeat';
    END IF;
    UPDATE command SET status = 'expired', changed_at = clock_timestamp(),
        reason = 'too old to be useful when the customer spoke again'
    WHERE open_kfid = kfid AND external_userid = userid AND status IN ('held', 'parked')
        AND created_at < clock_timestamp() - fresh;
    IF wants_rest AND NOT EXISTS (
        SELECT FROM command WHERE open_kfid = kfid AND external_userid = userid
            AND status IN ('sending', 'unknown', 'sent') AND only_answers(payload, said)
    ) THEN
        SELECT command_id INTO rest FROM command
        WHERE open_kfid = kfid AND external_userid = userid AND status = 'held' AND offered
        ORDER BY seq DESC LIMIT 1;
        UPDATE command SET status = 'expired', changed_at = clock_timestamp(), replaced_by = rest,
            reason = 'the rest of an earlier answer was asked for and is sent instead'
        WHERE rest IS NOT NULL AND open_kfid = kfid AND external_userid = userid AND status IN ('queued', 'held')
            AND only_answers(payload, said);
        UPDATE command SET status = 'expired', reason = 'the customer asked for the rest of a newer answer',
            changed_at = clock_timestamp()
        WHERE open_kfid = kfid AND external_userid = userid AND status = 'held' AND offered AND command_id <> rest;
    END IF;
    UPDATE command SET status = 'queued', reason = remark, offered = false, changed_at = clock_timestamp()
    WHERE open_kfid = kfid AND external_userid = userid AND status = 'held'
        AND (NOT offered OR command_id = rest);
    UPDATE customer_queue q SET spoke_at = said_at, spoke_msgid = said, heard_at = clock_timestamp(), refused = false,
        rest_msgid = CASE WHEN rest IS NULL THEN '' ELSE said END, rest_command = coalesce(rest, '')
    WHERE q.open_kfid = kfid AND q.external_userid = userid;
    PERFORM queue_customer(kfid, userid);
    RETURN CASE WHEN rest IS NULL THEN 'heard' ELSE 'rest' END;
END $$;

-- Whether a command is dialog's answer to this message and to no other.
CREATE FUNCTION only_answers(payload json, said text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT payload->>'kind' IN ('send_reply', 'send_content') AND json_array_length(payload->'in_reply_to') = 1
        AND payload->'in_reply_to'->>0 = said
$$;

CREATE OR REPLACE FUNCTION expire_commands(fresh interval) RETURNS SETOF text LANGUAGE sql SET search_path FROM CURRENT AS $$
    UPDATE command c SET status = 'expired', changed_at = clock_timestamp(),
        reason = CASE WHEN expires_at IS NULL THEN 'too old to be useful: it waited too long'
            WHEN status = 'queued' THEN 'the code''s time was over before a message could use it'
            ELSE 'no answer came before the code''s time was over' END
    WHERE (status IN ('queued', 'held', 'parked')
            AND (created_at < clock_timestamp() - fresh OR expires_at < clock_timestamp()))
        OR (status IN ('sending', 'unknown') AND expires_at < clock_timestamp() AND NOT EXISTS (
            SELECT FROM customer_queue q WHERE q.open_kfid = c.open_kfid AND q.external_userid = c.external_userid
                AND q.lease_until > steady()))
    RETURNING command_id
$$;

CREATE INDEX command_ended ON command (changed_at) WHERE status IN ('sent', 'failed', 'expired');
CREATE INDEX customer_queue_silent ON customer_queue (heard_at) WHERE waiting_since IS NULL;

-- Delete at most so many of the commands that ended before `keep`, with their parts and published changes, then of the
-- customers who have been silent since. Returns how many commands.
CREATE FUNCTION prune_commands(keep interval, most int) RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH old AS (
        SELECT open_kfid, external_userid, command_id FROM command c
        WHERE status IN ('sent', 'failed', 'expired') AND changed_at < clock_timestamp() - keep
            AND NOT EXISTS (
                SELECT FROM delivery_change d WHERE (d.open_kfid, d.external_userid, d.command_id)
                    = (c.open_kfid, c.external_userid, c.command_id) AND d.published_at IS NULL)
        ORDER BY changed_at LIMIT most FOR UPDATE SKIP LOCKED
    ), silent AS (
        DELETE FROM customer_queue q WHERE (open_kfid, external_userid) IN (
            SELECT open_kfid, external_userid FROM customer_queue s
            WHERE s.waiting_since IS NULL AND s.heard_at < clock_timestamp() - keep AND NOT EXISTS (
                SELECT FROM command c WHERE c.open_kfid = s.open_kfid AND c.external_userid = s.external_userid)
            LIMIT most FOR UPDATE SKIP LOCKED)
    ), sessions AS (
        DELETE FROM servicer_session WHERE since < clock_timestamp() - greatest(keep, interval '3 days')
    ), media AS (
        DELETE FROM media WHERE uploaded_at < clock_timestamp() - greatest(keep, interval '3 days')
    ), gone AS (
        DELETE FROM command c USING old
        WHERE (c.open_kfid, c.external_userid, c.command_id) = (old.open_kfid, old.external_userid, old.command_id)
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
