-- name: insert_command
INSERT INTO command (open_kfid, external_userid, command_id, turn_id, status, parts_total, reason, remark, payload,
    carrier, created_at, kind, lane, expires_at, replaced_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT DO NOTHING
RETURNING seq

-- name: insert_part
INSERT INTO part (open_kfid, external_userid, command_id, part_no, msgid, text)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: lock_customer
-- The row is made when it is not there; it stays locked until the transaction ends.
INSERT INTO customer_queue AS q (open_kfid, external_userid) VALUES ($1, $2)
ON CONFLICT (open_kfid, external_userid) DO UPDATE SET fence = q.fence
RETURNING q.rest_msgid, q.rest_command

-- name: queue_customer
SELECT queue_customer($1, $2)

-- name: hold_beyond_budget
SELECT hold_beyond_budget($1, $2, $3)

-- name: customer_spoke
SELECT customer_spoke($1, $2, $3, $4, $5, $6::interval)

-- name: session_changed
SELECT session_changed($1, $2, $3, $4)

-- name: delivery_failed
SELECT * FROM delivery_failed($1, $2, $3, $4, $5, $6)

-- name: expire_commands
SELECT expire_commands($1::interval)

-- name: prune_commands
SELECT prune_commands($1::interval, $2)

-- name: unpark
UPDATE command SET status = 'queued', reason = remark, changed_at = clock_timestamp()
WHERE open_kfid = $1 AND external_userid = $2 AND status = 'parked'
RETURNING command_id

-- name: claim
SELECT wait_seconds, clock_epoch, mended, slot_id, fence, look_first, queued_seconds, (part).*
FROM claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

-- name: extend_lease
-- An expired lease stays expired, even when nobody has claimed the row since.
WITH kept AS (
    UPDATE customer_queue SET lease_until = steady() + $4::interval
    WHERE open_kfid = $1 AND external_userid = $2 AND fence = $3 AND lease_until > steady()
    RETURNING fence
)
UPDATE slot SET counts_until = greatest(counts_until, steady() + $4 + $6::interval)
FROM kept WHERE slot.id = $5
RETURNING kept.fence

-- name: hold_fence
SELECT fence FROM customer_queue WHERE open_kfid = $1 AND external_userid = $2 AND fence = $3 FOR UPDATE

-- name: end_slot
-- From the grant at least: the clock may have been set back since, and not been mended yet.
UPDATE slot SET ended = true, counts_until = greatest(granted_at, steady()) + $2::interval WHERE id = $1

-- name: return_slot
DELETE FROM slot WHERE id = $1

-- name: settle_part
UPDATE part
SET status = $5::text, errcode = $6, mends = mends + $7::smallint, sent_at = CASE WHEN $5 = 'sent' THEN clock_timestamp() END
WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3 AND part_no = $4

-- name: settle_command
UPDATE command c
SET status = CASE WHEN $4::text = 'sent' AND counted.sent < c.parts_total THEN 'sending' ELSE $4 END,
    parts_sent = counted.sent,
    errcode = $5,
    reason = CASE WHEN $6 = '' THEN c.remark ELSE $6 END,
    holder = CASE WHEN $7 = '' THEN c.holder ELSE $7 END,
    servicer_userid = CASE WHEN $7 = '' THEN c.servicer_userid ELSE $8 END,
    changed_at = clock_timestamp()
FROM (
    SELECT count(*) FILTER (WHERE status = 'sent') AS sent
    FROM part WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3
) AS counted
WHERE c.open_kfid = $1 AND c.external_userid = $2 AND c.command_id = $3
RETURNING c.status

-- name: fail_rest
UPDATE part SET status = 'failed'
WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3 AND status = 'pending'

-- name: suspend_others
-- Nothing of this customer's can be sent now: what waits behind the refused command shares its fate.
UPDATE command SET status = $3, errcode = $4, reason = $5, holder = $6, servicer_userid = $7,
    changed_at = clock_timestamp()
WHERE open_kfid = $1 AND external_userid = $2 AND status IN ('queued', 'sending', 'unknown')

-- name: withdraw_offer
-- The refused message would have told how to get the rest: it was never seen.
WITH silent AS (
    UPDATE part SET hint = ''
    WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3 AND status = 'pending' AND hint <> ''
    RETURNING command_id
)
UPDATE command c SET offered = false FROM silent
WHERE c.open_kfid = $1 AND c.external_userid = $2 AND c.command_id = silent.command_id

-- name: release_customer
UPDATE customer_queue q
SET lease_until = '-infinity',
    -- Without a pause no time is kept: a clock set back must not hold the customer.
    next_attempt_at = CASE WHEN $4::interval > interval '0' THEN steady() + $4 ELSE '-infinity' END,
    look_first = coalesce($5::boolean, q.look_first),
    refused = q.refused OR $6::boolean,
    waiting_since = NULL
WHERE open_kfid = $1 AND external_userid = $2 AND fence = $3

-- name: suspend_account
INSERT INTO account AS a (open_kfid, failures, errcode, paused_until, alerted_at)
VALUES ($1, 1, $2, steady() + $3::interval, now())
ON CONFLICT (open_kfid) DO UPDATE SET
    failures = a.failures + 1,
    errcode = excluded.errcode,
    paused_until = steady() + least($4::interval, $3 * power(2, least(a.failures, 20))),
    alerted_at = CASE
        WHEN a.errcode IS DISTINCT FROM excluded.errcode OR a.alerted_at < now() - $5::interval THEN now()
        ELSE a.alerted_at
    END
RETURNING alerted_at = now() AS alert, extract(epoch FROM paused_until - steady())::float8 AS pause_seconds

-- name: resume_account
-- The errcode stays: the same refusal in a minute is no news.
UPDATE account SET failures = 0, paused_until = '-infinity'
WHERE open_kfid IN ($1, '') AND failures > 0
RETURNING open_kfid

-- name: probe_account_later
UPDATE account SET paused_until = steady() + $2::interval WHERE open_kfid IN ($1, '') AND failures > 0

-- name: pause_all
SELECT pause_all($1, $2, $3, $4, $5, $6)

-- name: unpublished_changes
SELECT d.id, d.open_kfid, d.external_userid, d.command_id, d.status, d.parts_sent, d.errcode, d.reason, d.occurred_at,
    d.holder, d.servicer_userid, c.replaced_by, c.kind, c.turn_id, c.parts_total, c.carrier
FROM delivery_change d JOIN command c USING (open_kfid, external_userid, command_id)
WHERE d.published_at IS NULL
ORDER BY d.id
LIMIT $1

-- name: mark_published
UPDATE delivery_change SET published_at = clock_timestamp() WHERE id = $1

-- name: part_sizes
SELECT part_no, status, attempts, octet_length(text) AS bytes
FROM part WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3
ORDER BY part_no

-- name: least_busy
-- Fewest open sessions first, then who has waited longest for one.
SELECT wanted.servicer_userid
FROM unnest($1::text[]) AS wanted (servicer_userid)
LEFT JOIN servicer s USING (servicer_userid)
LEFT JOIN LATERAL (
    SELECT count(*) AS sessions FROM servicer_session o
    WHERE o.servicer_userid = wanted.servicer_userid AND o.since > clock_timestamp() - interval '48 hours'
) AS open ON true
ORDER BY open.sessions, s.given_at NULLS FIRST, wanted.servicer_userid

-- name: keep_code
WITH told AS (
    UPDATE command SET holder = $7, servicer_userid = $8
    WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3 AND $7 <> ''
)
UPDATE part SET code = $5, text = $6
WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3 AND part_no = $4

-- name: session_given
WITH given AS (
    INSERT INTO servicer_session (open_kfid, external_userid, servicer_userid) VALUES ($1, $2, $3)
    ON CONFLICT (open_kfid, external_userid)
    DO UPDATE SET servicer_userid = excluded.servicer_userid, since = excluded.since
)
INSERT INTO servicer (servicer_userid, given_at) VALUES ($3, clock_timestamp())
ON CONFLICT (servicer_userid) DO UPDATE SET given_at = excluded.given_at

-- name: session_over
DELETE FROM servicer_session WHERE open_kfid = $1 AND external_userid = $2

-- name: code_of
SELECT code FROM part
WHERE open_kfid = $1 AND external_userid = $2 AND command_id = $3 AND part_no = $4

-- name: media_id
SELECT media_id FROM media WHERE digest = $1 AND uploaded_at > clock_timestamp() - interval '60 hours'

-- name: keep_media
INSERT INTO media (digest, media_id) VALUES ($1, $2)
ON CONFLICT (digest) DO UPDATE SET media_id = excluded.media_id, uploaded_at = excluded.uploaded_at

-- name: forget_media
DELETE FROM media WHERE digest = $1

-- name: commands_waiting
SELECT status, count(*)::int AS commands, extract(epoch FROM now() - min(created_at))::float8 AS age
FROM command WHERE status IN ('queued', 'sending', 'unknown', 'held', 'parked') GROUP BY status

-- name: slots_used
SELECT count(*)::int FROM slot WHERE counts_until > clock_timestamp()

-- name: quota_left
-- The thousand who wrote last: a customer's count reads their parts.
SELECT budget_left(q, $1) AS quota, count(*)::int AS customers
FROM (
    SELECT * FROM customer_queue WHERE spoke_at > clock_timestamp() - interval '48 hours'
    ORDER BY spoke_at DESC LIMIT 1000
) AS q
GROUP BY 1

-- name: accounts_suspended
SELECT count(*)::int FROM account WHERE failures > 0
