-- name: record
-- One statement, so that a message and the wish to answer it are stored together or not at all.
WITH added AS (
    INSERT INTO inbox (open_kfid, external_userid, msgid, origin, msgtype, send_time, item, carrier, status, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT DO NOTHING
    RETURNING status
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
    EXISTS (SELECT FROM added) AS added,
    (SELECT pg_notify('kf_dialog_inbox', json_build_array($1::text, $2::text, revision)::text) FROM woken);

-- name: lock_conversation
SELECT FROM conversation WHERE open_kfid = $1 AND external_userid = $2 FOR UPDATE;

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
    c.revision, c.waiting_since,
    EXTRACT(EPOCH FROM c.waiting_since + make_interval(secs => $3) - now())::float8 AS join_left,
    i.msgid, i.position, i.item, i.carrier
FROM conversation AS c
JOIN inbox AS i USING (open_kfid, external_userid)
WHERE c.open_kfid = $1 AND c.external_userid = $2 AND i.status = 'new'
ORDER BY i.position LIMIT $4;

-- name: history
SELECT question, reply FROM turn
WHERE open_kfid = $1 AND external_userid = $2
ORDER BY position DESC LIMIT $3;

-- name: lock_claim
SELECT revision FROM conversation
WHERE open_kfid = $1 AND external_userid = $2 AND lease_token = $3
FOR UPDATE;

-- name: answer_messages
UPDATE inbox SET status = 'answered', turn_id = $4
WHERE open_kfid = $1 AND external_userid = $2 AND msgid = ANY ($3) AND status = 'new'
RETURNING msgid;

-- name: add_turn
INSERT INTO turn (
    open_kfid, external_userid, turn_id, position, msgids, question, reply, outcome, model,
    input_tokens, output_tokens, passage_ids, waiting_since, search_seconds, model_seconds, carrier
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);

-- name: add_command
INSERT INTO outbox (command_id, open_kfid, external_userid, payload, carrier) VALUES ($1, $2, $3, $4, $5);

-- name: settle
-- Give the lease back; what is still unanswered falls due by the same rule as when it arrived.
UPDATE conversation AS c
SET lease_until = NULL, failures = 0, waiting_since = rest.first,
    due_at = LEAST(
        rest.last + make_interval(secs => $4),
        rest.first + make_interval(secs => $5)
    )
FROM (
    SELECT min(received_at) AS first, max(received_at) AS last FROM inbox
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
