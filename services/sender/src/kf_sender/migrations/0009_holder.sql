-- Who has the session, as far as a command found out: dialog reads it from KF_DELIVERY.

ALTER TABLE command
    ADD COLUMN holder text NOT NULL DEFAULT '',
    ADD COLUMN servicer_userid text NOT NULL DEFAULT '';
ALTER TABLE delivery_change
    ADD COLUMN holder text NOT NULL DEFAULT '',
    ADD COLUMN servicer_userid text NOT NULL DEFAULT '';

CREATE OR REPLACE FUNCTION record_delivery_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO delivery_change (open_kfid, external_userid, command_id, status, parts_sent, errcode, reason, holder,
        servicer_userid)
    VALUES (NEW.open_kfid, NEW.external_userid, NEW.command_id, NEW.status, NEW.parts_sent, NEW.errcode, NEW.reason,
        CASE WHEN NEW.status IN ('queued', 'sending') THEN '' ELSE NEW.holder END,
        CASE WHEN NEW.status IN ('queued', 'sending') THEN '' ELSE NEW.servicer_userid END);
    RETURN NULL;
END $$;

-- As before, and: the drafts say that the session has ended.
CREATE OR REPLACE FUNCTION session_changed(kfid text, userid text, ended boolean, at timestamptz) RETURNS boolean
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
        UPDATE command SET status = 'held', changed_at = clock_timestamp(), holder = 'ended', servicer_userid = '',
            reason = 'the servicer has ended the session: held until the customer speaks'
        WHERE open_kfid = kfid AND external_userid = userid AND status = 'parked';
    END IF;
    RETURN true;
END $$;
