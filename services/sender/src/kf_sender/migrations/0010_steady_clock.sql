-- The limiter's own clock, and the claim in pieces that know it.
--
-- This server's clock may be stepped: forward, and every grant of the last minute would be forgotten at once; back, and
-- nothing could be sent for as long. So limiter, leases and pauses go by steady(): wall() less what the senders saw it
-- step. Each sender says with every claim what the clock should show by its own monotonic one; the first to see a step
-- mends it, the others take over what it found. Times that WeCom or people know (created_at, expires_at, spoke_at,
-- heard_at, sent_at) stay wall clock.

ALTER TABLE limiter
    ADD COLUMN shift interval NOT NULL DEFAULT '0',
    ADD COLUMN mended bigint NOT NULL DEFAULT 0;

-- The one place where the limiter reads the server's clock; a test steps it here.
CREATE FUNCTION wall() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT clock_timestamp() $$;

CREATE FUNCTION steady() RETURNS timestamptz LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS $$
    SELECT wall() - shift FROM limiter
$$;

-- Mend a step: `expected` (Unix seconds) is what steady() should show by the clock of a sender that knows of `seen`
-- mends. A sender that was stopped on its way here is late, never early: it sets the clock back at most, which only makes
-- everybody wait, and mends that with its next claim.
CREATE FUNCTION mend_clock(expected float8, seen bigint, tolerance float8) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    off interval := steady() - to_timestamp(expected);
BEGIN
    IF abs(extract(epoch FROM off)) > tolerance THEN
        UPDATE limiter SET shift = shift + off, mended = mended + 1 WHERE mended = seen;
    END IF;
END $$;

DROP FUNCTION claim(int, int, interval, interval, interval, int, interval, int, text, int, int, int);
DROP FUNCTION slot_wait(limiter, int, int, interval, interval, int, interval, int, boolean, timestamptz);

-- Seconds until the window of one account, or of the corp (kfid null), has a slot; 0: now. Urgent sends take any.
-- Ordinary ones leave to urgent ones what these took in the last window and `kept` more, unless as many will be free
-- `ahead` from now.
CREATE FUNCTION window_wait(allowed int, kept int, ahead interval, urgent boolean, kfid text, clock timestamptz)
RETURNS float8 LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    free_at timestamptz := clock;
    nth timestamptz;
BEGIN
    -- Of the grants that still count, newest first, the one at place `allowed` must have run out.
    SELECT counts_until INTO nth FROM slot s WHERE s.counts_until > clock AND (kfid IS NULL OR s.open_kfid = kfid)
    ORDER BY counts_until DESC OFFSET allowed - 1 LIMIT 1;
    free_at := greatest(free_at, nth);
    IF NOT urgent THEN
        SELECT least(kept + count(*), allowed / 2) INTO kept
        FROM slot s WHERE s.counts_until > clock AND s.urgent AND (kfid IS NULL OR s.open_kfid = kfid);
        SELECT counts_until INTO nth FROM slot s WHERE s.counts_until > clock AND (kfid IS NULL OR s.open_kfid = kfid)
        ORDER BY counts_until DESC OFFSET allowed - kept - 1 LIMIT 1;
        free_at := greatest(free_at, nth - ahead);
    END IF;
    RETURN extract(epoch FROM free_at - clock)::float8;
END $$;

-- Seconds until the corp may send; 0: now. Ordinary sends come in bursts of at most `burst`, spread over the window.
CREATE FUNCTION slot_wait(gate limiter, slots int, calls int, span interval, recovery interval, kept int,
    ahead interval, burst int, urgent boolean, clock timestamptz)
RETURNS float8 LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    -- WeCom never asks for an hour: such a pause is from before the clock was set back while no sender ran.
    free_at timestamptz := least(gate.paused_until, clock + interval '1 hour');
    allowed int := allowance(slots, gate.slow_slots, gate.slow_since, recovery, clock);
    under_way int;
    nth timestamptz;
BEGIN
    IF NOT urgent THEN
        SELECT s.granted_at INTO nth FROM slot s WHERE NOT s.urgent AND s.granted_at <= clock
        ORDER BY s.granted_at DESC OFFSET burst - 1 LIMIT 1;
        free_at := greatest(free_at, nth + span * (burst::float8 / allowed));
    END IF;
    SELECT count(*) INTO under_way FROM slot WHERE NOT ended AND counts_until > clock + span;
    IF under_way >= allowance(calls, gate.slow_calls, gate.slow_since, recovery, clock) THEN
        free_at := greatest(free_at, clock + interval '100 ms');
    END IF;
    RETURN greatest(0, window_wait(allowed, kept, ahead, urgent, NULL, clock),
        extract(epoch FROM free_at - clock)::float8);
END $$;

-- Whose turn it is: urgent first, then who has had no answer, then who waits longest; nobody of a refused account, or of
-- one at its own limit (`full_for_all`, `full_for_ordinary`). A lease or a pause longer than any is void.
CREATE FUNCTION next_turn(clock timestamptz, lease interval, full_for_all text[], full_for_ordinary text[])
RETURNS SETOF customer_queue LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT q.* FROM customer_queue q
    WHERE q.waiting_since IS NOT NULL
        AND (q.next_attempt_at <= clock OR q.next_attempt_at > clock + interval '1 hour')
        AND (q.lease_until <= clock OR q.lease_until > clock + lease)
        AND NOT EXISTS (
            SELECT FROM account a WHERE a.open_kfid IN (q.open_kfid, '') AND a.paused_until > clock)
        AND NOT q.open_kfid = ANY (CASE WHEN q.lane = 0 THEN full_for_all ELSE full_for_ordinary END)
    ORDER BY q.lane, q.turn_at, q.waiting_since, q.open_kfid, q.external_userid
    LIMIT 1 FOR UPDATE SKIP LOCKED
$$;

-- What a customer's oldest answer waits for so long is no news any more: the answers behind it say it too, in as few
-- messages as they fit into. Only texts of one message that were never tried, and nothing else between them.
ALTER TABLE command ADD COLUMN replaced_by text NOT NULL DEFAULT '';

CREATE FUNCTION merge_waiting(kfid text, userid text, stacked interval, text_bytes int) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    waiting record;
    together text;
    earlier text[] := '{}';
    newest text;
BEGIN
    FOR waiting IN
        SELECT c.command_id, c.stored_at, p.text, c.kind = 'send_reply' AND c.parts_total = 1 AND p.attempts = 0 AS plain
        FROM command c JOIN part p USING (open_kfid, external_userid, command_id)
        WHERE c.open_kfid = kfid AND c.external_userid = userid
            AND c.status IN ('queued', 'sending', 'unknown') AND p.status IN ('pending', 'sending', 'unknown')
        ORDER BY p.status = 'pending', c.lane, c.seq, p.part_no
    LOOP
        EXIT WHEN NOT waiting.plain OR (newest IS NULL AND waiting.stored_at > clock_timestamp() - stacked);
        IF newest IS NOT NULL THEN
            EXIT WHEN octet_length(together) + 2 + octet_length(waiting.text) > text_bytes;
            earlier := earlier || newest;
        END IF;
        together := concat_ws(E'\n\n', together, waiting.text);
        newest := waiting.command_id;
    END LOOP;
    IF cardinality(earlier) = 0 THEN
        RETURN;
    END IF;
    UPDATE part SET text = together
    WHERE open_kfid = kfid AND external_userid = userid AND command_id = newest AND part_no = 1;
    UPDATE command SET status = 'expired', replaced_by = newest, changed_at = clock_timestamp(),
        reason = 'waited too long for a message of its own: a later one says it too'
    WHERE open_kfid = kfid AND external_userid = userid AND command_id = ANY (earlier);
END $$;

CREATE TYPE head AS (
    open_kfid text, external_userid text, command_id text, part_no smallint, parts_total smallint, msgid text,
    text text, attempt int, mends smallint, was_under_way boolean, carrier jsonb, kind text, payload json
);

-- Mark a customer's next part as being sent and return it. The budget's last message says how to get the rest.
CREATE FUNCTION take_head(turn customer_queue, clock timestamptz, most int, offer text, text_bytes int)
RETURNS SETOF head LANGUAGE sql SET search_path FROM CURRENT AS $$
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
            AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
        ORDER BY p.status = 'pending', c.lane, c.seq, p.part_no
        LIMIT 1
    ), marked AS (
        UPDATE command c SET status = 'sending', changed_at = clock_timestamp(), offered = head.hint <> '' FROM head
        WHERE (c.open_kfid, c.external_userid, c.command_id) = (head.open_kfid, head.external_userid, head.command_id)
    )
    UPDATE part p SET status = 'sending', attempts = p.attempts + 1, hint = head.hint FROM head
    WHERE (p.open_kfid, p.external_userid, p.command_id, p.part_no)
        = (head.open_kfid, head.external_userid, head.command_id, head.part_no)
    RETURNING p.open_kfid, p.external_userid, p.command_id, p.part_no, head.parts_total, p.msgid, p.text || p.hint,
        p.attempts, p.mends, head.was_under_way, head.carrier, head.kind, head.payload
$$;

-- Begin one send: takes a slot of the window and the customer whose turn it is, marks the part as being sent and returns
-- it. Always one row: without a customer to serve `wait_seconds` is null, without a slot it says how long to wait.
-- One statement for the caller, so that a replica that is paused half-way holds no lock.
CREATE FUNCTION claim(slots int, calls int, span interval, recovery interval, lease interval, kept int, ahead interval,
    most int, offer text, text_bytes int, account_slots int, burst int, expected float8, seen bigint, tolerance float8,
    stacked interval)
RETURNS TABLE (
    wait_seconds float8, clock_epoch float8, mended bigint, slot_id bigint, fence bigint, look_first boolean,
    queued_seconds float8, part head
)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    gate limiter%ROWTYPE;
    turn customer_queue%ROWTYPE;
    taken head;
    clock timestamptz;
    granted bigint;
    full_for_all text[] := '{}';
    full_for_ordinary text[] := '{}';
    held float8;
BEGIN
    PERFORM FROM limiter FOR UPDATE;
    PERFORM mend_clock(expected, seen, tolerance);
    SELECT * INTO gate FROM limiter;
    -- Read after the lock: the order of claims is the order of their times.
    clock := steady();
    -- A grant further ahead than any can be was made before the clock was set back while no sender ran.
    UPDATE slot SET counts_until = clock + lease + span WHERE counts_until > clock + lease + span;
    IF account_slots > 0 THEN
        SELECT coalesce(array_agg(w.open_kfid) FILTER (WHERE w.urgent > 0), '{}'),
            coalesce(array_agg(w.open_kfid) FILTER (WHERE w.ordinary > 0), '{}'),
            min(w.ordinary) FILTER (WHERE w.ordinary > 0)
        INTO full_for_all, full_for_ordinary, held
        FROM (
            SELECT s.open_kfid,
                window_wait(account_slots, 0, ahead, true, s.open_kfid, clock) AS urgent,
                window_wait(account_slots, least(kept, account_slots / 10), ahead, false, s.open_kfid, clock) AS ordinary
            FROM (SELECT DISTINCT open_kfid FROM slot WHERE counts_until > clock) AS s
        ) AS w;
    END IF;
    SELECT * INTO turn FROM next_turn(clock, lease, full_for_all, full_for_ordinary);
    IF FOUND THEN
        held := slot_wait(gate, slots, calls, span, recovery, kept, ahead, burst, turn.lane = 0, clock);
    END IF;
    IF turn.open_kfid IS NULL OR held > 0 THEN
        RETURN QUERY SELECT held, extract(epoch FROM clock)::float8, gate.mended, NULL::bigint, NULL::bigint,
            NULL::boolean, NULL::float8, NULL::head;
        RETURN;
    END IF;
    INSERT INTO slot (counts_until, open_kfid, granted_at, urgent)
    VALUES (clock + lease + span, turn.open_kfid, clock, turn.lane = 0) RETURNING id INTO granted;
    DELETE FROM slot WHERE counts_until < clock - interval '1 hour';
    -- While an account or the corp is refused, one call at a time finds out whether it was mended.
    UPDATE account SET paused_until = clock + lease WHERE account.open_kfid IN (turn.open_kfid, '') AND failures > 0;
    UPDATE customer_queue q SET fence = q.fence + 1, lease_until = clock + lease
    WHERE q.open_kfid = turn.open_kfid AND q.external_userid = turn.external_userid;
    PERFORM merge_waiting(turn.open_kfid, turn.external_userid, stacked, text_bytes);
    SELECT * INTO taken FROM take_head(turn, clock, most, offer, text_bytes);
    IF NOT FOUND THEN
        -- Somebody closed the commands by hand: an empty queue must not be claimed again and again.
        DELETE FROM slot WHERE id = granted;
        UPDATE customer_queue q SET waiting_since = NULL, lease_until = '-infinity'
        WHERE q.open_kfid = turn.open_kfid AND q.external_userid = turn.external_userid;
    END IF;
    RETURN QUERY SELECT CASE WHEN taken IS NULL THEN 0.01 ELSE 0 END::float8, extract(epoch FROM clock)::float8,
        gate.mended, granted, turn.fence + 1, turn.look_first,
        extract(epoch FROM clock - greatest(turn.waiting_since, turn.next_attempt_at))::float8, taken;
END $$;

CREATE OR REPLACE FUNCTION pause_all(seconds float8, slots int, calls int, halve_slots boolean, halve_calls boolean,
    recovery interval)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    gate limiter%ROWTYPE;
    clock timestamptz;
    until timestamptz;
    under_way int;
BEGIN
    SELECT * INTO gate FROM limiter FOR UPDATE;
    clock := steady();
    until := greatest(gate.paused_until, clock + make_interval(secs => seconds));
    IF gate.paused_until > clock THEN
        UPDATE limiter SET paused_until = until, slow_since = CASE WHEN slow_since > clock THEN until ELSE slow_since END;
        RETURN;
    END IF;
    slots := allowance(slots, gate.slow_slots, gate.slow_since, recovery, clock);
    calls := allowance(calls, gate.slow_calls, gate.slow_since, recovery, clock);
    SELECT count(*) INTO under_way FROM slot WHERE NOT ended AND counts_until > clock;
    UPDATE limiter SET paused_until = until, slow_since = until,
        slow_slots = greatest(1, CASE WHEN halve_slots THEN slots / 2 ELSE slots END),
        slow_calls = greatest(1, CASE WHEN halve_calls THEN least(calls, under_way) / 2 ELSE calls END);
END $$;

CREATE OR REPLACE FUNCTION queue_customer(kfid text, userid text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    clock timestamptz := steady();
BEGIN
    UPDATE customer_queue q SET
        lane = coalesce(least(open.lane, 1), 1),
        waiting_since = CASE WHEN open.lane IS NOT NULL THEN coalesce(q.waiting_since, clock) END,
        turn_at = CASE WHEN open.lane IS NULL THEN q.turn_at
            ELSE coalesce(q.waiting_since, clock) + CASE
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
