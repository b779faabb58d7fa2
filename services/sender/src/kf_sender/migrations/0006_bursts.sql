-- Ordinary sends are spread over the window, so that a welcome_code need not wait for a whole one.

ALTER TABLE slot
    ADD COLUMN granted_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN urgent boolean NOT NULL DEFAULT false;
CREATE INDEX slot_granted ON slot (granted_at) WHERE NOT urgent;

DROP FUNCTION claim(int, int, interval, interval, interval, int, interval, int, text, int, int);
DROP FUNCTION slot_wait(limiter, int, int, interval, interval, int, interval, timestamptz);

-- Seconds until a slot may be given; 0: now. Urgent sends take any that is free. Ordinary ones come in bursts of at
-- most `burst`, spread over the window, and leave to urgent ones what these took in the last window and `kept` more,
-- unless as many will be free `ahead` from now.
CREATE FUNCTION slot_wait(gate limiter, slots int, calls int, span interval, recovery interval, kept int,
    ahead interval, burst int, urgent boolean, clock timestamptz)
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
    IF NOT urgent THEN
        SELECT least(kept + count(*), allowed / 2) INTO kept FROM slot s WHERE s.counts_until > clock AND s.urgent;
        SELECT counts_until INTO nth FROM slot WHERE counts_until > clock
        ORDER BY counts_until DESC OFFSET allowed - kept - 1 LIMIT 1;
        free_at := greatest(free_at, nth - ahead);
        SELECT s.granted_at INTO nth FROM slot s WHERE NOT s.urgent AND s.granted_at <= clock
        ORDER BY s.granted_at DESC OFFSET burst - 1 LIMIT 1;
        free_at := greatest(free_at, nth + span * (burst::float8 / allowed));
    END IF;
    SELECT count(*) INTO under_way FROM slot WHERE NOT ended AND counts_until > clock + span;
    IF under_way >= allowance(calls, gate.slow_calls, gate.slow_since, recovery, clock) THEN
        free_at := greatest(free_at, clock + interval '100 ms');
    END IF;
    RETURN greatest(0, extract(epoch FROM free_at - clock))::float8;
END $$;

CREATE FUNCTION claim(slots int, calls int, span interval, recovery interval, lease interval, kept int, ahead interval,
    most int, offer text, text_bytes int, account_slots int, burst int)
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
        AND (account_slots = 0 OR account_slots > (
            SELECT count(*) FROM slot s WHERE s.open_kfid = q.open_kfid AND s.counts_until > clock))
    ORDER BY q.lane, q.turn_at, q.waiting_since, q.open_kfid, q.external_userid
    LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- A grant further ahead than any can be was made before this server's clock was set back.
    UPDATE slot SET counts_until = clock + lease + span WHERE counts_until > clock + lease + span;
    held := slot_wait(gate, slots, calls, span, recovery, kept, ahead, burst, turn.lane = 0, clock);
    IF held > 0 THEN
        RETURN QUERY SELECT held, NULL::bigint, NULL::bigint, NULL::boolean, NULL::float8, NULL::text, NULL::text,
            NULL::text, NULL::smallint, NULL::smallint, NULL::text, NULL::text, NULL::int, NULL::smallint,
            NULL::boolean, NULL::jsonb, NULL::text, NULL::json;
        RETURN;
    END IF;
    INSERT INTO slot (counts_until, open_kfid, granted_at, urgent)
    VALUES (clock + lease + span, turn.open_kfid, clock, turn.lane = 0) RETURNING id INTO granted;
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
