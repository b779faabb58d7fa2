-- Media that WeCom keeps for us (3 days), by content; and rich messages count in the budget as texts do.

CREATE TABLE media (
    digest text PRIMARY KEY,
    media_id text NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE FUNCTION hold_beyond_budget(kfid text, userid text, most int) RETURNS void
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
    WHERE c.open_kfid = kfid AND c.external_userid = userid AND c.kind IN ('send_reply', 'send_content')
        AND c.status IN ('queued', 'sending') AND NOT EXISTS (
            SELECT FROM part p WHERE (p.open_kfid, p.external_userid, p.command_id)
                = (c.open_kfid, c.external_userid, c.command_id) AND p.status IN ('sending', 'unknown'));
END $$;
