-- What an operator reads of dialog's schema. A customer is named as WeCom does, or by the hash that logs and traces show.

-- name: conversations
SELECT c.open_kfid, c.external_userid, c.holder, c.holder_reason, c.last_message_at, count(t.turn_id) AS turns,
    COALESCE(sum(t.input_tokens + t.output_tokens), 0)::bigint AS tokens, COALESCE(sum(t.cost), 0)::float8 AS cost,
    COALESCE(max(t.currency), '') AS currency,
    COALESCE((array_agg(t.outcome ORDER BY t.position DESC))[1], '') AS outcome,
    COALESCE(avg(extract(epoch FROM t.finished_at - t.waiting_since)), 0)::float8 AS latency_seconds,
    (SELECT min(r.score) FROM rating r WHERE (r.open_kfid, r.external_userid) = (c.open_kfid, c.external_userid)) AS rating
FROM conversation c LEFT JOIN turn t USING (open_kfid, external_userid)
WHERE ($1 = '' OR c.open_kfid = $1) AND ($2 = '' OR c.holder = $2)
GROUP BY c.open_kfid, c.external_userid ORDER BY c.last_message_at DESC LIMIT $3;

-- name: customers
SELECT DISTINCT external_userid FROM conversation
WHERE external_userid = $1 OR left(encode(sha256(convert_to(external_userid, 'UTF8')), 'hex'), 12) = $1;

-- name: recent
SELECT DISTINCT external_userid FROM conversation WHERE last_message_at > now() - make_interval(secs => $1);

-- name: said
SELECT i.open_kfid, i.received_at AS at, i.position, i.origin, i.msgtype, i.msgid, i.status, i.reason,
    COALESCE(i.item -> 'text' ->> 'content', '') AS text, COALESCE(i.turn_id, '') AS turn_id
FROM inbox i WHERE i.external_userid = $1 AND i.msgtype <> 'event' ORDER BY i.position;

-- name: turns
SELECT t.open_kfid, t.turn_id, t.finished_at AS at, t.reply, t.outcome, t.model, t.input_tokens, t.output_tokens,
    t.cost, t.currency, t.passage_ids, t.gap, t.handover_reason, t.handover_summary, t.handover_result,
    extract(epoch FROM t.finished_at - t.waiting_since)::float8 AS latency_seconds, t.search_seconds,
    t.model_seconds, COALESCE((
        SELECT json_agg(json_build_object('kind', d.kind, 'status', d.status, 'reason', d.reason) ORDER BY d.command_id)
        FROM delivery d
        WHERE (d.open_kfid, d.external_userid, d.turn_id) = (t.open_kfid, t.external_userid, t.turn_id)
    ), '[]')::text AS delivery
FROM turn t WHERE t.external_userid = $1 ORDER BY t.finished_at;

-- name: ratings
SELECT open_kfid, rated_at AS at, score, label FROM rating WHERE external_userid = $1 ORDER BY rated_at;

-- name: gaps
SELECT gap FROM turn
WHERE gap <> '' AND ($1 = '' OR open_kfid = $1) AND finished_at > now() - make_interval(secs => $2)
ORDER BY finished_at DESC LIMIT $3;

-- name: unanswered
SELECT open_kfid, external_userid, waiting_since AS since, 'waiting' AS why, holder_reason AS reason
FROM conversation WHERE waiting_since < now() - make_interval(secs => $1)
UNION ALL
SELECT open_kfid, external_userid, finished_at, 'nobody took the handover', handover_reason
FROM turn AS t
WHERE handover_result = 'nobody' AND finished_at > now() - interval '7 days' AND NOT EXISTS (
    SELECT FROM inbox i WHERE (i.open_kfid, i.external_userid) = (t.open_kfid, t.external_userid)
        AND i.origin = 5 AND i.received_at > t.finished_at
)
UNION ALL
SELECT open_kfid, external_userid, occurred_at, 'answer ' || status, reason
FROM delivery AS d
WHERE status IN ('failed', 'expired', 'held', 'parked', 'unknown') AND occurred_at > now() - interval '7 days'
    AND kind NOT IN ('end_session', 'find_holder')
    -- Whoever got something since then was not left alone.
    AND NOT EXISTS (
        SELECT FROM delivery AS later
        WHERE (later.open_kfid, later.external_userid) = (d.open_kfid, d.external_userid)
            AND later.status = 'sent' AND later.occurred_at > d.occurred_at
    )
ORDER BY since LIMIT $2;
