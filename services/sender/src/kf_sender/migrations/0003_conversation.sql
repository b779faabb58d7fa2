-- What customers and servicers do, as far as it decides about sending: the budget, who holds the session, what waits
-- for the customer's word. And the claim that knows about it.

ALTER TABLE customer_queue
    -- The customer's newest message: WeCom's time, and when it was heard of here. Null: none was heard of yet.
    ADD COLUMN spoke_at timestamptz,
    ADD COLUMN spoke_msgid text NOT NULL DEFAULT '',
    ADD COLUMN heard_at timestamptz,
    -- WeCom refuses everything until the customer speaks.
    ADD COLUMN refused boolean NOT NULL DEFAULT false,
    -- The message that asked for the rest of a long answer: the rest is its answer.
    ADD COLUMN rest_msgid text NOT NULL DEFAULT '',
    -- waiting_since with a handicap for whoever has had an answer already.
    ADD COLUMN turn_at timestamptz NOT NULL DEFAULT '-infinity';
DROP INDEX customer_queue_waiting;
CREATE INDEX customer_queue_turn ON customer_queue (lane, turn_at, waiting_since) WHERE waiting_since IS NOT NULL;

ALTER TABLE command
    ADD COLUMN kind text NOT NULL DEFAULT 'send_reply',
    -- Codes die by themselves.
    ADD COLUMN expires_at timestamptz,
    -- The customer was told how to get the rest.
    ADD COLUMN offered boolean NOT NULL DEFAULT false;
CREATE INDEX command_waiting ON command (status, created_at) WHERE status IN ('queued', 'held', 'parked');

-- `hint` follows the text when it is sent: how to get the rest.
ALTER TABLE part ADD COLUMN hint text NOT NULL DEFAULT '';
CREATE INDEX part_sent ON part (open_kfid, external_userid, sent_at) WHERE sent_at IS NOT NULL;

-- Messages that may still go out before the customer speaks again (wecom-kf-api 4.3: 5 and 48 h), of `most`.
-- Without any message heard of nothing is known: WeCom will say.
CREATE FUNCTION budget_left(q customer_queue, most int) RETURNS int
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT CASE
        WHEN q.spoke_at IS NULL THEN most
        WHEN q.refused OR q.spoke_at < clock_timestamp() - interval '48 hours' THEN 0
        ELSE greatest(0, most - (
            SELECT count(*) FROM part p
            WHERE p.open_kfid = q.open_kfid AND p.external_userid = q.external_userid
                -- WeCom's times are whole seconds: the message came within that second, but before it was heard of.
                AND p.sent_at >= least(q.spoke_at + interval '1 s', q.heard_at)
        )::int)
    END
$$;

-- Let the customer wait for a turn if there is something to send: those who have had no answer yet come first, the
-- others half a minute later than they would.
CREATE FUNCTION queue_customer(kfid text, userid text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE customer_queue q SET
        lane = coalesce(least(open.lane, 1), 1),
        waiting_since = CASE WHEN open.lane IS NOT NULL THEN coalesce(q.waiting_since, clock_timestamp()) END,
        turn_at = CASE WHEN open.lane IS NULL THEN q.turn_at
            ELSE coalesce(q.waiting_since, clock_timestamp()) + CASE
                WHEN EXISTS (
                    SELECT FROM part p WHERE p.open_kfid = kfid AND p.external_userid = userid
                        AND p.sent_at >= coalesce(least(q.spoke_at, q.heard_at), clock_timestamp() - interval '1 hour')
                ) THEN interval '30 s' ELSE interval '0' END
            END
    FROM (
        SELECT min(c.lane) AS lane FROM command c
        WHERE c.open_kfid = kfid AND c.external_userid = userid AND c.status IN ('queued', 'sending', 'unknown')
    ) AS open
    WHERE q.open_kfid = kfid AND q.external_userid = userid;
END $$;

-- Hold what the budget does not cover; nothing that may be under way. Handover notices have the last message.
CREATE FUNCTION hold_beyond_budget(kfid text, userid text, most int) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    turn customer_queue%ROWTYPE;
BEGIN
    SELECT * INTO turn FROM customer_queue q WHERE q.open_kfid = kfid AND q.external_userid = userid FOR UPDATE;
    IF budget_left(turn, most) > 0 THEN
        RETURN;
    END IF;
    UPDATE command c SET status = 'held', changed_at = clock_timestamp(),
        reason = 'the messages that one customer message allows are used up: held until the customer speaks'
    WHERE c.open_kfid = kfid AND c.external_userid = userid AND c.kind = 'send_reply'
        AND c.status IN ('queued', 'sending') AND NOT EXISTS (
            SELECT FROM part p WHERE (p.open_kfid, p.external_userid, p.command_id)
                = (c.open_kfid, c.external_userid, c.command_id) AND p.status IN ('sending', 'unknown'));
END $$;

-- The customer spoke: a new budget, and what was held goes on. The rest of a long answer only if `wants_rest`, and
-- only the newest such. Returns 'repeat' for a message that was heard of before, 'rest' when a rest goes on.
CREATE FUNCTION customer_spoke(kfid text, userid text, said text, said_at timestamptz, wants_rest boolean, fresh interval)
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
    IF wants_rest THEN
        SELECT command_id INTO rest FROM command
        WHERE open_kfid = kfid AND external_userid = userid AND status = 'held' AND offered
        ORDER BY seq DESC LIMIT 1;
        UPDATE command SET status = 'expired', reason = 'the customer asked for the rest of a newer answer',
            changed_at = clock_timestamp()
        WHERE open_kfid = kfid AND external_userid = userid AND status = 'held' AND offered AND command_id <> rest;
    END IF;
    UPDATE command SET status = 'queued', reason = remark, offered = false, changed_at = clock_timestamp()
    WHERE open_kfid = kfid AND external_userid = userid AND status = 'held'
        AND (NOT offered OR command_id = rest);
    UPDATE customer_queue q SET spoke_at = said_at, spoke_msgid = said, heard_at = clock_timestamp(), refused = false,
        rest_msgid = CASE WHEN rest IS NULL THEN '' ELSE said END
    WHERE q.open_kfid = kfid AND q.external_userid = userid;
    PERFORM queue_customer(kfid, userid);
    RETURN CASE WHEN rest IS NULL THEN 'heard' ELSE 'rest' END;
END $$;

-- A servicer acted: took the session (look before the next send), or ended it (nothing goes out until the customer
-- speaks; the drafts wait for that). What the customer said since is newer than an event that comes late.
CREATE FUNCTION session_changed(kfid text, userid text, ended boolean, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    turn customer_queue%ROWTYPE;
BEGIN
    INSERT INTO customer_queue (open_kfid, external_userid) VALUES (kfid, userid) ON CONFLICT DO NOTHING;
    SELECT * INTO turn FROM customer_queue q WHERE q.open_kfid = kfid AND q.external_userid = userid FOR UPDATE;
    IF at < turn.spoke_at THEN
        RETURN false;
    END IF;
    UPDATE customer_queue q SET look_first = NOT ended, refused = CASE WHEN ended THEN true ELSE q.refused END
    WHERE q.open_kfid = kfid AND q.external_userid = userid;
    IF ended THEN
        UPDATE command SET status = 'held', changed_at = clock_timestamp(),
            reason = 'the servicer has ended the session: held until the customer speaks'
        WHERE open_kfid = kfid AND external_userid = userid AND status = 'parked';
    END IF;
    RETURN true;
END $$;

-- WeCom could not deliver what it had accepted. `fate` is the command's new status: failed for good, or held or
-- queued to be sent again, under a new msgid, since WeCom knows the old one. Returns the command and whether it must
-- be asked again because its customer has a send under way.
CREATE FUNCTION delivery_failed(kfid text, userid text, failed_msgid text, fate text, why text, new_msgid text)
RETURNS TABLE (command_id text, busy boolean) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    lost part%ROWTYPE;
    turn customer_queue%ROWTYPE;
BEGIN
    SELECT * INTO turn FROM customer_queue q WHERE q.open_kfid = kfid AND q.external_userid = userid FOR UPDATE;
    SELECT * INTO lost FROM part p WHERE p.open_kfid = kfid AND p.external_userid = userid AND p.msgid = failed_msgid;
    IF NOT FOUND OR lost.status NOT IN ('sent', 'unknown', 'sending') THEN
        RETURN;
    END IF;
    IF turn.lease_until > clock_timestamp() THEN
        RETURN QUERY SELECT lost.command_id, true;
        RETURN;
    END IF;
    UPDATE part p SET status = CASE WHEN fate = 'failed' THEN 'failed' ELSE 'pending' END,
        msgid = CASE WHEN fate = 'failed' THEN p.msgid ELSE new_msgid END, sent_at = CASE WHEN fate = 'queued' THEN NULL ELSE p.sent_at END
    WHERE p.open_kfid = kfid AND p.external_userid = userid AND p.msgid = failed_msgid;
    UPDATE command c SET status = fate, reason = why, offered = false, changed_at = clock_timestamp(),
        parts_sent = (SELECT count(*) FROM part p WHERE (p.open_kfid, p.external_userid, p.command_id)
            = (c.open_kfid, c.external_userid, c.command_id) AND p.status = 'sent')
    WHERE c.open_kfid = kfid AND c.external_userid = userid AND c.command_id = lost.command_id;
    IF fate = 'held' THEN
        UPDATE customer_queue q SET refused = true WHERE q.open_kfid = kfid AND q.external_userid = userid;
    END IF;
    PERFORM queue_customer(kfid, userid);
    RETURN QUERY SELECT lost.command_id, false;
END $$;

-- What waits longer than is useful, and codes that died.
CREATE FUNCTION expire_commands(fresh interval) RETURNS SETOF text LANGUAGE sql SET search_path FROM CURRENT AS $$
    UPDATE command SET status = 'expired', changed_at = clock_timestamp(),
        reason = CASE WHEN expires_at IS NULL THEN 'too old to be useful: it waited too long' ELSE
            'the code''s time was over before a message could use it' END
    WHERE status IN ('queued', 'held', 'parked') AND (created_at < clock_timestamp() - fresh OR expires_at < clock_timestamp())
    RETURNING command_id
$$;

DROP FUNCTION claim(int, int, interval, interval, interval);
DROP FUNCTION slot_wait(limiter, int, int, interval, interval, timestamptz);

-- Seconds until a slot may be given; 0: now. Ordinary sends leave as many slots as `kept` to urgent ones of the next
-- `ahead`: of those that count then, so many may not be used up.
CREATE FUNCTION slot_wait(gate limiter, slots int, calls int, span interval, recovery interval, kept int,
    ahead interval, clock timestamptz)
RETURNS float8 LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    free_at timestamptz := gate.paused_until;
    allowed int := allowance(slots, gate.slow_slots, gate.slow_since, recovery, clock);
    under_way int;
    nth timestamptz;
BEGIN
    -- Of the grants that still count, newest first, the one at place `allowed` must have run out.
    SELECT counts_until INTO nth FROM slot WHERE counts_until > clock
    ORDER BY counts_until DESC OFFSET allowed - 1 LIMIT 1;
    free_at := greatest(free_at, nth);
    IF kept > 0 AND allowed > kept THEN
        SELECT counts_until INTO nth FROM slot WHERE counts_until > clock
        ORDER BY counts_until DESC OFFSET allowed - kept - 1 LIMIT 1;
        free_at := greatest(free_at, nth - ahead);
    END IF;
    SELECT count(*) INTO under_way FROM slot WHERE NOT ended AND counts_until > clock + span;
    IF under_way >= allowance(calls, gate.slow_calls, gate.slow_since, recovery, clock) THEN
        free_at := greatest(free_at, clock + interval '100 ms');
    END IF;
    RETURN greatest(0, extract(epoch FROM free_at - clock))::float8;
END $$;

-- As before, and: the corp's circuit (account '') stops all, the budget's last message says how to get the rest,
-- the urgent lane has slots of its own, dead codes are passed over.
CREATE FUNCTION claim(slots int, calls int, span interval, recovery interval, lease interval, kept int, ahead interval,
    most int, offer text, text_bytes int)
RETURNS TABLE (
    wait_seconds float8, slot_id bigint, fence bigint, look_first boolean, queued_seconds float8,
    open_kfid text, external_userid text, command_id text, part_no smallint, parts_total smallint,
    msgid text, text text, attempt int, mends smallint, was_under_way boolean, carrier jsonb, kind text, payload json
)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    gate limiter%ROWTYPE;
    turn customer_queue%ROWTYPE;
    clock timestamptz;
    granted bigint;
    held float8;
BEGIN
    SELECT * INTO gate FROM limiter FOR UPDATE;
    -- Read after the lock: the order of claims is the order of their times.
    clock := clock_timestamp();
    SELECT q.* INTO turn FROM customer_queue q
    WHERE q.waiting_since IS NOT NULL AND q.next_attempt_at <= clock AND q.lease_until <= clock
        AND NOT EXISTS (
            SELECT FROM account a WHERE a.open_kfid IN (q.open_kfid, '') AND a.paused_until > clock)
    ORDER BY q.lane, q.turn_at, q.waiting_since, q.open_kfid, q.external_userid
    LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- A grant further ahead than any can be was made before this server's clock was set back.
    UPDATE slot SET counts_until = clock + lease + span WHERE counts_until > clock + lease + span;
    held := slot_wait(gate, slots, calls, span, recovery, CASE WHEN turn.lane = 0 THEN 0 ELSE kept END, ahead, clock);
    IF held > 0 THEN
        RETURN QUERY SELECT held, NULL::bigint, NULL::bigint, NULL::boolean, NULL::float8, NULL::text, NULL::text,
            NULL::text, NULL::smallint, NULL::smallint, NULL::text, NULL::text, NULL::int, NULL::smallint,
            NULL::boolean, NULL::jsonb, NULL::text, NULL::json;
        RETURN;
    END IF;
    INSERT INTO slot (counts_until) VALUES (clock + lease + span) RETURNING id INTO granted;
    DELETE FROM slot WHERE counts_until < clock - interval '1 hour';
    -- While an account or the corp is refused, one call at a time finds out whether it was mended.
    UPDATE account SET paused_until = clock + lease WHERE account.open_kfid IN (turn.open_kfid, '') AND failures > 0;
    UPDATE customer_queue q SET fence = q.fence + 1, lease_until = clock + lease
    WHERE q.open_kfid = turn.open_kfid AND q.external_userid = turn.external_userid;
    RETURN QUERY
    WITH head AS (
        -- What may be under way comes first, or an urgent command would overtake it.
        SELECT c.open_kfid, c.external_userid, c.command_id, c.parts_total, c.carrier, c.kind,
            CASE WHEN c.kind <> 'send_reply' THEN c.payload END AS payload, p.part_no,
            p.status <> 'pending' AS was_under_way,
            CASE
                WHEN p.status <> 'pending' THEN p.hint
                WHEN turn.spoke_at IS NOT NULL AND c.kind = 'send_reply' AND budget_left(turn, most) = 1
                    AND octet_length(p.text) + octet_length(offer) <= text_bytes
                    AND EXISTS (
                        SELECT FROM part r WHERE (r.open_kfid, r.external_userid, r.command_id)
                            = (c.open_kfid, c.external_userid, c.command_id) AND r.part_no > p.part_no)
                    THEN offer
                ELSE ''
            END AS hint
        FROM command c JOIN part p USING (open_kfid, external_userid, command_id)
        WHERE c.open_kfid = turn.open_kfid AND c.external_userid = turn.external_userid
            AND c.status IN ('queued', 'sending', 'unknown') AND p.status IN ('pending', 'sending', 'unknown')
            AND (c.expires_at IS NULL OR c.expires_at > clock)
        ORDER BY p.status = 'pending', c.lane, c.seq, p.part_no
        LIMIT 1
    ), marked AS (
        UPDATE command c SET status = 'sending', changed_at = clock, offered = head.hint <> '' FROM head
        WHERE (c.open_kfid, c.external_userid, c.command_id) = (head.open_kfid, head.external_userid, head.command_id)
    )
    UPDATE part p SET status = 'sending', attempts = p.attempts + 1, hint = head.hint FROM head
    WHERE (p.open_kfid, p.external_userid, p.command_id, p.part_no)
        = (head.open_kfid, head.external_userid, head.command_id, head.part_no)
    RETURNING 0::float8, granted, turn.fence + 1, turn.look_first,
        extract(epoch FROM clock - greatest(turn.waiting_since, turn.next_attempt_at))::float8,
        p.open_kfid, p.external_userid, p.command_id, p.part_no, head.parts_total,
        p.msgid, p.text || p.hint, p.attempts, p.mends, head.was_under_way, head.carrier, head.kind, head.payload;
    IF NOT FOUND THEN
        -- Somebody closed the commands by hand: an empty queue must not be claimed again and again.
        DELETE FROM slot WHERE id = granted;
        UPDATE customer_queue q SET waiting_since = NULL, lease_until = '-infinity'
        WHERE q.open_kfid = turn.open_kfid AND q.external_userid = turn.external_userid;
    END IF;
END $$;
