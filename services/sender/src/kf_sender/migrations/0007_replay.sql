-- Run a failed or expired command again (`kf dead replay`). What WeCom refused goes out under the same msgid, so that
-- a doubt can double nothing; what it took and could not deliver needs a new one. Returns false for any other command.
CREATE FUNCTION replay_command(wanted text) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    given_up command%ROWTYPE;
BEGIN
    SELECT * INTO given_up FROM command c WHERE c.command_id = wanted AND c.status IN ('failed', 'expired')
        AND c.parts_total > 0 AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp());
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- The same order of locks as everywhere: the customer, then the command.
    PERFORM FROM customer_queue q
    WHERE q.open_kfid = given_up.open_kfid AND q.external_userid = given_up.external_userid FOR UPDATE;
    UPDATE command c SET status = 'queued', reason = 'replayed by an operator', errcode = NULL, offered = false,
        created_at = clock_timestamp(), changed_at = clock_timestamp()
    WHERE c.open_kfid = given_up.open_kfid AND c.external_userid = given_up.external_userid AND c.command_id = wanted
        AND c.status IN ('failed', 'expired');
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE part p SET status = 'pending', mends = 0, hint = '', sent_at = NULL,
        msgid = CASE WHEN p.sent_at IS NULL THEN p.msgid
            ELSE left(encode(sha256(convert_to(p.msgid || ':again', 'UTF8')), 'hex'), 32) END
    WHERE p.open_kfid = given_up.open_kfid AND p.external_userid = given_up.external_userid AND p.command_id = wanted
        AND p.status = 'failed';
    PERFORM queue_customer(given_up.open_kfid, given_up.external_userid);
    RETURN true;
END $$;

-- As before, and codes that died while a process did: nobody will ever know whether they had been used.
CREATE OR REPLACE FUNCTION expire_commands(fresh interval) RETURNS SETOF text LANGUAGE sql SET search_path FROM CURRENT AS $$
    UPDATE command c SET status = 'expired', changed_at = clock_timestamp(),
        reason = CASE WHEN expires_at IS NULL THEN 'too old to be useful: it waited too long'
            WHEN status = 'queued' THEN 'the code''s time was over before a message could use it'
            ELSE 'no answer came before the code''s time was over' END
    WHERE (status IN ('queued', 'held', 'parked')
            AND (created_at < clock_timestamp() - fresh OR expires_at < clock_timestamp()))
        OR (status IN ('sending', 'unknown') AND expires_at < clock_timestamp() AND NOT EXISTS (
            SELECT FROM customer_queue q WHERE q.open_kfid = c.open_kfid AND q.external_userid = c.external_userid
                AND q.lease_until > clock_timestamp()))
    RETURNING command_id
$$;
