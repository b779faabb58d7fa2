-- name: record
-- One statement, so that a message and the wish to answer it are stored together or not at all.
-- What is said to a human, or to the pool, waits for no answer of ours.
WITH held AS (
    SELECT holder FROM conversation
    WHERE open_kfid = $1 AND external_userid = $2 AND holder IN ('pool', 'servicer')
        AND holder_at > now() - make_interval(secs => $13)
), added AS (
    INSERT INTO inbox (
        open_kfid, external_userid, msgid, origin, msgtype, send_time, item, carrier, status, reason, quiet_seconds
    )
    SELECT $1, $2, $3, $4, $5, $6, $7, $8,
        CASE WHEN $9::text = 'new' AND held.holder IS NOT NULL THEN 'ignored' ELSE $9 END,
        CASE WHEN $9 = 'new' AND held.holder IS NOT NULL THEN 'with_' || held.holder ELSE $10 END,
        $11
    FROM (SELECT) AS one LEFT JOIN held ON true
    ON CONFLICT DO NOTHING
    RETURNING status, reason
), woken AS (
    INSERT INTO conversation AS c (open_kfid, external_userid, revision, due_at, waiting_since, last_message_at)
    SELECT $1, $2, 1, now() + make_interval(secs => $11), now(), $6 FROM added WHERE status = 'new'
    ON CONFLICT (open_kfid, external_userid) DO UPDATE SET
        revision = c.revision + 1,
        waiting_since = COALESCE(c.waiting_since, now()),
        due_at = LEAST(
            now() + make_interval(secs => $11),
            COALESCE(c.waiting_since, now()) + make_interval(secs => $12)
        ),
        last_message_at = EXCLUDED.last_message_at
    RETURNING revision
)
SELECT
    (SELECT COALESCE(NULLIF(reason, ''), status) FROM added) AS outcome,
    (SELECT pg_notify('kf_dialog_inbox', json_build_array($1::text, $2::text, revision)::text) FROM woken);

-- name: visit
INSERT INTO conversation AS c (open_kfid, external_userid, last_message_at, scene, scene_param)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (open_kfid, external_userid) DO UPDATE SET scene = EXCLUDED.scene, scene_param = EXCLUDED.scene_param;

-- name: lock_conversation
SELECT FROM conversation WHERE open_kfid = $1 AND external_userid = $2 FOR UPDATE;

-- name: change_holder
-- $6: when it was so, by our clock; NULL: now. What a human or the pool holds waits for nothing of ours.
INSERT INTO conversation AS c (
    open_kfid, external_userid, last_message_at, holder, holder_at, holder_reason, servicer_userid
)
VALUES ($1, $2, now(), $3, COALESCE($6::timestamptz, now()), $4, $5)
ON CONFLICT (open_kfid, external_userid) DO UPDATE SET
    holder = EXCLUDED.holder, holder_at = EXCLUDED.holder_at, holder_reason = EXCLUDED.holder_reason,
    servicer_userid = EXCLUDED.servicer_userid,
    revision = c.revision + CASE WHEN c.holder = EXCLUDED.holder THEN 0 ELSE 1 END,
    due_at = CASE WHEN EXCLUDED.holder IN ('pool', 'servicer') THEN NULL ELSE c.due_at END,
    waiting_since = CASE WHEN EXCLUDED.holder IN ('pool', 'servicer') THEN NULL ELSE c.waiting_since END
WHERE c.holder_at <= EXCLUDED.holder_at
RETURNING
    revision,
    pg_notify('kf_dialog_inbox', json_build_array($1::text, $2::text, revision)::text);

-- name: held
SELECT true FROM conversation
WHERE open_kfid = $1 AND external_userid = $2 AND holder IN ('pool', 'servicer')
    AND holder_at > now() - make_interval(secs => $3);

-- name: silent_holder
-- A human or the pool has the chat, and nothing was heard of them for so long.
SELECT true FROM conversation
WHERE open_kfid = $1 AND external_userid = $2 AND holder IN ('pool', 'servicer')
    AND holder_at < now() - make_interval(secs => $3);

-- name: heard_of_holder
SELECT holder_at FROM conversation
WHERE open_kfid = $1 AND external_userid = $2 AND holder IN ('pool', 'servicer')
FOR UPDATE;

-- name: reopen
-- What was left to a human who is gone waits for the bot after all. $3: when they were last heard of.
WITH reopened AS (
    UPDATE inbox SET status = 'new', reason = ''
    WHERE open_kfid = $1 AND external_userid = $2 AND status = 'ignored' AND reason IN ('with_pool', 'with_servicer')
        AND received_at > $3
    RETURNING received_at
)
UPDATE conversation AS c
SET revision = c.revision + 1, waiting_since = LEAST(c.waiting_since, since.first), due_at = now()
FROM (SELECT min(received_at) AS first FROM reopened) AS since
WHERE c.open_kfid = $1 AND c.external_userid = $2 AND since.first IS NOT NULL
RETURNING pg_notify('kf_dialog_inbox', json_build_array($1::text, $2::text, revision)::text);

-- name: close_held
-- What is unanswered while a human or the pool has the chat is theirs to answer.
UPDATE inbox AS i SET status = 'ignored', reason = 'with_' || c.holder
FROM conversation AS c
WHERE i.open_kfid = $1 AND i.external_userid = $2 AND i.status = 'new'
    AND c.open_kfid = $1 AND c.external_userid = $2 AND c.holder IN ('pool', 'servicer')
    AND c.holder_at > now() - make_interval(secs => $3)
RETURNING i.msgid;

-- name: recall
WITH recalled AS (
    UPDATE inbox SET status = 'ignored', reason = 'recalled'
    WHERE open_kfid = $1 AND external_userid = $2 AND msgid = $3 AND status = 'new'
    RETURNING msgid
), changed AS (
    UPDATE conversation SET revision = revision + 1
    WHERE open_kfid = $1 AND external_userid = $2 AND EXISTS (SELECT FROM recalled)
    RETURNING revision
)
SELECT
    EXISTS (SELECT FROM recalled) AS recalled,
    (SELECT pg_notify('kf_dialog_inbox', json_build_array($1::text, $2::text, revision)::text) FROM changed);

-- name: claim
WITH due AS (
    SELECT open_kfid, external_userid FROM conversation
    WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
        AND (holder <> 'asked' OR holder_at < now() - make_interval(secs => $3))
        AND COALESCE(waiting_since, '-infinity') <= now() - make_interval(secs => $4)
    ORDER BY due_at LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE conversation AS c
SET lease_token = c.lease_token + 1, lease_until = now() + make_interval(secs => $2)
FROM due
WHERE c.open_kfid = due.open_kfid AND c.external_userid = due.external_userid
RETURNING c.open_kfid, c.external_userid, c.lease_token, c.failures;

-- name: next_due
SELECT EXTRACT(EPOCH FROM min(due_at) - now())::float8 FROM conversation WHERE due_at > now();

-- name: renew
-- A settled conversation has no lease: a late renewal must not give it one.
UPDATE conversation AS c
SET lease_until = now() + make_interval(secs => $4)
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS held (open_kfid, external_userid, lease_token)
WHERE c.open_kfid = held.open_kfid AND c.external_userid = held.external_userid
    AND c.lease_token = held.lease_token AND c.lease_until IS NOT NULL
RETURNING c.open_kfid, c.external_userid, c.revision;

-- name: load
SELECT
    c.revision, c.waiting_since, c.unhelpful, c.memory, c.memory_position, c.scene, c.scene_param,
    EXTRACT(EPOCH FROM c.waiting_since + make_interval(secs => $3) - now())::float8 AS join_left,
    EXTRACT(EPOCH FROM now() - c.waiting_since)::float8 AS waited,
    i.msgid, i.position, i.item, i.carrier
FROM conversation AS c
JOIN inbox AS i USING (open_kfid, external_userid)
WHERE c.open_kfid = $1 AND c.external_userid = $2 AND i.status = 'new'
ORDER BY i.position LIMIT $4;

-- name: history
SELECT question, reply, position FROM turn
WHERE open_kfid = $1 AND external_userid = $2 AND position > $3
ORDER BY position DESC LIMIT $4;

-- name: kept
SELECT kept FROM turn WHERE open_kfid = $1 AND external_userid = $2 ORDER BY position DESC LIMIT 1;

-- name: lock_claim
SELECT
    revision,
    holder IN ('pool', 'servicer') AND holder_at > now() - make_interval(secs => $4) AS held
FROM conversation
WHERE open_kfid = $1 AND external_userid = $2 AND lease_token = $3
FOR UPDATE;

-- name: answer_messages
UPDATE inbox SET status = 'answered', turn_id = $4
WHERE open_kfid = $1 AND external_userid = $2 AND msgid = ANY ($3) AND status = 'new'
RETURNING msgid;

-- name: add_turn
INSERT INTO turn (
    open_kfid, external_userid, turn_id, position, msgids, question, reply, outcome, model,
    input_tokens, output_tokens, passage_ids, waiting_since, search_seconds, model_seconds, carrier,
    cost, currency, gap, handover_reason, handover_summary, kept
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22
);

-- name: advance
-- What the turn means for the conversation: failures in a row, the handover under way, the newer summary.
UPDATE conversation SET
    unhelpful = $3,
    holder = CASE WHEN $4 THEN 'asked' ELSE holder END,
    holder_at = CASE WHEN $4 THEN now() ELSE holder_at END,
    holder_reason = CASE WHEN $4 THEN $5 ELSE holder_reason END,
    memory = CASE WHEN $7::bigint > memory_position THEN $6 ELSE memory END,
    memory_position = GREATEST(memory_position, $7)
WHERE open_kfid = $1 AND external_userid = $2;

-- name: add_rating
INSERT INTO rating (open_kfid, external_userid, msgid, score, label) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: add_command
INSERT INTO outbox (command_id, open_kfid, external_userid, payload, carrier) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: settle
-- Give the lease back; what is still unanswered falls due by the same rule as when it arrived.
UPDATE conversation AS c
SET lease_until = NULL, failures = 0, waiting_since = rest.first,
    due_at = LEAST(rest.last, rest.first + make_interval(secs => $4))
FROM (
    SELECT
        min(received_at) AS first,
        (array_agg(received_at + make_interval(secs => quiet_seconds) ORDER BY position DESC))[1] AS last
    FROM inbox
    WHERE open_kfid = $1 AND external_userid = $2 AND status = 'new'
) AS rest
WHERE c.open_kfid = $1 AND c.external_userid = $2 AND c.lease_token = $3;

-- name: postpone
UPDATE conversation
SET lease_until = NULL, failures = failures + 1,
    due_at = now() + make_interval(secs => LEAST(60, power(2, LEAST(failures, 6))))
WHERE open_kfid = $1 AND external_userid = $2 AND lease_token = $3;

-- name: lock_outbox
SELECT pg_advisory_xact_lock(hashtext('kf_dialog.outbox'));

-- name: unpublished
SELECT id, command_id, open_kfid, payload, carrier FROM outbox
WHERE published_at IS NULL
ORDER BY id LIMIT $1;

-- name: mark_published
UPDATE outbox SET published_at = now() WHERE id = ANY ($1);

-- name: prune_outbox
WITH pruned AS (
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox
        WHERE published_at < now() - make_interval(secs => $1)
        ORDER BY published_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
)
SELECT count(*) FROM pruned;

-- name: record_delivery
-- The newest status wins, in whatever order they come.
WITH told AS (
    INSERT INTO delivery AS d (
        open_kfid, external_userid, command_id, turn_id, kind, status, parts_sent, parts_total, errcode, reason,
        occurred_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (open_kfid, external_userid, command_id) DO UPDATE SET
        status = EXCLUDED.status, parts_sent = EXCLUDED.parts_sent, parts_total = EXCLUDED.parts_total,
        errcode = EXCLUDED.errcode, reason = EXCLUDED.reason, occurred_at = EXCLUDED.occurred_at
    WHERE d.occurred_at <= EXCLUDED.occurred_at
    RETURNING turn_id
)
UPDATE turn SET handover_result = $12
FROM told
WHERE $12::text <> '' AND turn.open_kfid = $1 AND turn.external_userid = $2 AND turn.turn_id = told.turn_id;

-- name: overdue
-- Each long wait is alarmed once. $1: open_kfids, $2: their deadlines in seconds, $3: everybody else's.
UPDATE conversation AS c SET alarmed_for = c.waiting_since
FROM (
    SELECT o.open_kfid, o.external_userid
    FROM conversation AS o
    LEFT JOIN unnest($1::text[], $2::float8[]) AS known (open_kfid, seconds) USING (open_kfid)
    WHERE o.waiting_since < now() - make_interval(secs => COALESCE(known.seconds, $3))
        AND o.alarmed_for IS DISTINCT FROM o.waiting_since
    ORDER BY o.waiting_since LIMIT 100
    FOR UPDATE OF o SKIP LOCKED
) AS late
WHERE c.open_kfid = late.open_kfid AND c.external_userid = late.external_userid
RETURNING c.open_kfid, c.external_userid, EXTRACT(EPOCH FROM now() - c.waiting_since)::float8 AS waited, c.holder,
    COALESCE(c.lease_until > now(), false) AS in_hand;

-- name: prune_inbox
WITH pruned AS (
    DELETE FROM inbox WHERE (open_kfid, external_userid, msgid) IN (
        SELECT open_kfid, external_userid, msgid FROM inbox
        WHERE received_at < now() - make_interval(secs => $1) AND status <> 'new'
        ORDER BY received_at LIMIT $2
    )
    RETURNING msgid
)
SELECT count(*) FROM pruned;

-- name: prune_turns
WITH pruned AS (
    DELETE FROM turn WHERE (open_kfid, external_userid, turn_id) IN (
        SELECT open_kfid, external_userid, turn_id FROM turn
        WHERE finished_at < now() - make_interval(secs => $1)
        ORDER BY finished_at LIMIT $2
    )
    RETURNING turn_id
)
SELECT count(*) FROM pruned;

-- name: prune_deliveries
WITH pruned AS (
    DELETE FROM delivery WHERE (open_kfid, external_userid, command_id) IN (
        SELECT open_kfid, external_userid, command_id FROM delivery
        WHERE occurred_at < now() - make_interval(secs => $1)
        ORDER BY occurred_at LIMIT $2
    )
    RETURNING command_id
)
SELECT count(*) FROM pruned;

-- name: prune_ratings
WITH pruned AS (
    DELETE FROM rating WHERE (open_kfid, external_userid, msgid) IN (
        SELECT open_kfid, external_userid, msgid FROM rating
        WHERE rated_at < now() - make_interval(secs => $1) LIMIT $2
    )
    RETURNING msgid
)
SELECT count(*) FROM pruned;

-- name: prune_conversations
-- A conversation goes when nothing of it is left.
WITH pruned AS (
    DELETE FROM conversation AS c WHERE (c.open_kfid, c.external_userid) IN (
        SELECT o.open_kfid, o.external_userid FROM conversation AS o
        WHERE o.last_message_at < now() - make_interval(secs => $1) AND o.lease_until IS NULL
            AND NOT EXISTS (SELECT FROM inbox AS i WHERE (i.open_kfid, i.external_userid) = (o.open_kfid, o.external_userid))
            AND NOT EXISTS (SELECT FROM turn AS t WHERE (t.open_kfid, t.external_userid) = (o.open_kfid, o.external_userid))
        ORDER BY o.last_message_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    RETURNING open_kfid
)
SELECT count(*) FROM pruned;

-- name: asked_at
SELECT min(i.send_time)
FROM turn t JOIN inbox i ON i.open_kfid = t.open_kfid AND i.external_userid = t.external_userid AND i.msgid = ANY (t.msgids)
WHERE t.open_kfid = $1 AND t.external_userid = $2 AND t.turn_id = $3;

-- name: unanswered
SELECT count(*)::int AS waiting, min(waiting_since) AS since FROM conversation WHERE waiting_since IS NOT NULL;
