-- The limiter that all replicas share, and the one way to begin a send. All times are this server's clock.

CREATE TABLE limiter (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- WeCom asked everybody to wait (45009, 45033).
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    -- After such a pause fewer slots and calls at once are given, growing back from slow_since on.
    slow_slots int,
    slow_calls int,
    slow_since timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO limiter DEFAULT VALUES;

-- One row per grant. A grant counts from the claim until a whole window after its call has ended: the moment at
-- which WeCom counted the call lies between the two, so no window of WeCom's can hold more calls than slots.
CREATE TABLE slot (
    id bigserial PRIMARY KEY,
    counts_until timestamptz NOT NULL,
    ended boolean NOT NULL DEFAULT false
);
CREATE INDEX slot_counts ON slot (counts_until);

-- What the limiter allows now: `full` normally, `slow` right after a pause, and the line between them later.
CREATE FUNCTION allowance(full_allowance int, slow int, slow_since timestamptz, recovery interval, at timestamptz)
RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN slow IS NULL OR at >= slow_since + recovery THEN full_allowance
        WHEN at <= slow_since THEN least(slow, full_allowance)
        ELSE least(full_allowance, slow + floor(
            (full_allowance - slow) * extract(epoch FROM at - slow_since) / extract(epoch FROM recovery))::int)
    END
$$;

-- Seconds until a slot may be given; 0: now.
CREATE FUNCTION slot_wait(gate limiter, slots int, calls int, span interval, recovery interval, clock timestamptz)
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
    SELECT count(*) INTO under_way FROM slot WHERE NOT ended AND counts_until > clock + span;
    IF under_way >= allowance(calls, gate.slow_calls, gate.slow_since, recovery, clock) THEN
        free_at := greatest(free_at, clock + interval '100 ms');
    END IF;
    RETURN greatest(0, extract(epoch FROM free_at - clock))::float8;
END $$;

-- Begin one send: takes a slot of the window and the customer whose turn it is, marks the part as being sent and
-- returns it. Without a customer to serve it returns no row; without a slot a row that says how long to wait.
-- One statement for the caller, so that a replica that is paused half-way holds no lock.
CREATE FUNCTION claim(slots int, calls int, span interval, recovery interval, lease interval)
RETURNS TABLE (
    wait_seconds float8, slot_id bigint, fence bigint, look_first boolean, queued_seconds float8,
    open_kfid text, external_userid text, command_id text, part_no smallint, parts_total smallint,
    msgid text, text text, attempt int, mends smallint, was_under_way boolean, carrier jsonb
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
        AND NOT EXISTS (SELECT FROM account a WHERE a.open_kfid = q.open_kfid AND a.paused_until > clock)
    ORDER BY q.lane, q.waiting_since, q.open_kfid, q.external_userid
    LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- A grant further ahead than any can be was made before this server's clock was set back.
    UPDATE slot SET counts_until = clock + lease + span WHERE counts_until > clock + lease + span;
    held := slot_wait(gate, slots, calls, span, recovery, clock);
    IF held > 0 THEN
        RETURN QUERY SELECT held, NULL::bigint, NULL::bigint, NULL::boolean, NULL::float8, NULL::text, NULL::text,
            NULL::text, NULL::smallint, NULL::smallint, NULL::text, NULL::text, NULL::int, NULL::smallint,
            NULL::boolean, NULL::jsonb;
        RETURN;
    END IF;
    INSERT INTO slot (counts_until) VALUES (clock + lease + span) RETURNING id INTO granted;
    DELETE FROM slot WHERE counts_until < clock - interval '1 hour';
    -- While an account is refused, one call at a time finds out whether it was mended.
    UPDATE account SET paused_until = clock + lease WHERE account.open_kfid = turn.open_kfid AND failures > 0;
    UPDATE customer_queue q SET fence = q.fence + 1, lease_until = clock + lease
    WHERE q.open_kfid = turn.open_kfid AND q.external_userid = turn.external_userid;
    RETURN QUERY
    WITH head AS (
        -- What may be under way comes first, or an urgent command would overtake it.
        SELECT c.open_kfid, c.external_userid, c.command_id, c.parts_total, c.carrier, p.part_no,
            p.status <> 'pending' AS was_under_way
        FROM command c JOIN part p USING (open_kfid, external_userid, command_id)
        WHERE c.open_kfid = turn.open_kfid AND c.external_userid = turn.external_userid
            AND c.status IN ('queued', 'sending', 'unknown') AND p.status IN ('pending', 'sending', 'unknown')
        ORDER BY p.status = 'pending', c.lane, c.seq, p.part_no
        LIMIT 1
    ), marked AS (
        UPDATE command c SET status = 'sending', changed_at = clock FROM head
        WHERE (c.open_kfid, c.external_userid, c.command_id) = (head.open_kfid, head.external_userid, head.command_id)
    )
    UPDATE part p SET status = 'sending', attempts = p.attempts + 1 FROM head
    WHERE (p.open_kfid, p.external_userid, p.command_id, p.part_no)
        = (head.open_kfid, head.external_userid, head.command_id, head.part_no)
    RETURNING 0::float8, granted, turn.fence + 1, turn.look_first,
        extract(epoch FROM clock - greatest(turn.waiting_since, turn.next_attempt_at))::float8,
        p.open_kfid, p.external_userid, p.command_id, p.part_no, head.parts_total,
        p.msgid, p.text, p.attempts, p.mends, head.was_under_way, head.carrier;
    IF NOT FOUND THEN
        -- Somebody closed the commands by hand: an empty queue must not be claimed again and again.
        DELETE FROM slot WHERE id = granted;
        UPDATE customer_queue q SET waiting_since = NULL, lease_until = '-infinity'
        WHERE q.open_kfid = turn.open_kfid AND q.external_userid = turn.external_userid;
    END IF;
END $$;

-- WeCom asked everybody to wait: pause all replicas, then go on at half of what was allowed. Calls that were already
-- under way when the pause began and are refused too prolong it but do not halve again.
CREATE FUNCTION pause_all(seconds float8, slots int, calls int, halve_slots boolean, halve_calls boolean,
    recovery interval)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    gate limiter%ROWTYPE;
    clock timestamptz;
    until timestamptz;
    under_way int;
BEGIN
    SELECT * INTO gate FROM limiter FOR UPDATE;
    clock := clock_timestamp();
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
