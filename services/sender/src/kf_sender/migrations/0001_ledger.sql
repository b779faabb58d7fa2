-- The ledger: what is to be sent to whom, in which parts, and what became of it.
-- Every table of customers' rows begins its key with (open_kfid, external_userid), the partition key.

CREATE TABLE command (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    command_id text NOT NULL,
    -- Arrival order: the stream is consumed one message at a time.
    seq bigserial NOT NULL,
    turn_id text NOT NULL,
    -- 0 is urgent (codes that live 20 s), 1 is ordinary.
    lane smallint NOT NULL DEFAULT 1,
    status text NOT NULL
        CHECK (status IN ('queued', 'sending', 'sent', 'unknown', 'held', 'parked', 'failed', 'expired')),
    parts_total smallint NOT NULL,
    parts_sent smallint NOT NULL DEFAULT 0,
    errcode int,
    -- Why it stands where it stands; `remark` is what the plan had to say and stays.
    reason text NOT NULL DEFAULT '',
    remark text NOT NULL DEFAULT '',
    -- json, not jsonb: it keeps the command as it came.
    payload json NOT NULL,
    carrier jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (open_kfid, external_userid, command_id)
);
CREATE INDEX command_open ON command (open_kfid, external_userid, lane, seq)
    WHERE status IN ('queued', 'sending', 'unknown');
CREATE INDEX command_by_id ON command (command_id);

CREATE TABLE part (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    command_id text NOT NULL,
    part_no smallint NOT NULL,
    msgid text NOT NULL CHECK (msgid ~ '^[0-9A-Za-z_-]{1,32}$'),
    text text NOT NULL CHECK (text <> ''),
    -- sending: a request may be under way, or its process died; unknown: no answer came.
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sending', 'unknown', 'sent', 'failed')),
    attempts int NOT NULL DEFAULT 0,
    -- Times that something was mended (token, session state) for one more try; bounded, so that nothing loops.
    mends smallint NOT NULL DEFAULT 0,
    errcode int,
    sent_at timestamptz,
    PRIMARY KEY (open_kfid, external_userid, command_id, part_no),
    FOREIGN KEY (open_kfid, external_userid, command_id) REFERENCES command ON DELETE CASCADE
);
CREATE UNIQUE INDEX part_msgid ON part (open_kfid, external_userid, msgid);

-- One row per customer: who claims it sends the customer's next part, and nobody else does.
CREATE TABLE customer_queue (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    lane smallint NOT NULL DEFAULT 1,
    -- Since when the head waits for its turn; a send puts the customer at the back. Null: nothing to send.
    waiting_since timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT '-infinity',
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    -- Raised by every claim: who holds an older number has lost the row.
    fence bigint NOT NULL DEFAULT 0,
    -- A human or the pool had the session when last seen: look before the next send.
    look_first boolean NOT NULL DEFAULT false,
    PRIMARY KEY (open_kfid, external_userid)
);
CREATE INDEX customer_queue_waiting ON customer_queue (lane, waiting_since) WHERE waiting_since IS NOT NULL;

-- Accounts whose configuration WeCom refuses; the others go on.
CREATE TABLE account (
    open_kfid text PRIMARY KEY,
    failures int NOT NULL DEFAULT 0,
    errcode int,
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    alerted_at timestamptz NOT NULL DEFAULT '-infinity'
);

-- Every status a command took. Rows are published to KF_DELIVERY afterwards, so that none is lost.
CREATE TABLE delivery_change (
    id bigserial PRIMARY KEY,
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    command_id text NOT NULL,
    status text NOT NULL,
    parts_sent smallint NOT NULL,
    errcode int,
    reason text NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    FOREIGN KEY (open_kfid, external_userid, command_id) REFERENCES command ON DELETE CASCADE
);
CREATE INDEX delivery_change_unpublished ON delivery_change (id) WHERE published_at IS NULL;
CREATE INDEX delivery_change_of ON delivery_change (open_kfid, external_userid, command_id);

CREATE FUNCTION record_delivery_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO delivery_change (open_kfid, external_userid, command_id, status, parts_sent, errcode, reason)
    VALUES (NEW.open_kfid, NEW.external_userid, NEW.command_id, NEW.status, NEW.parts_sent, NEW.errcode, NEW.reason);
    RETURN NULL;
END $$;

CREATE TRIGGER command_stored AFTER INSERT ON command
    FOR EACH ROW EXECUTE FUNCTION record_delivery_change();
CREATE TRIGGER command_changed AFTER UPDATE OF status ON command
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION record_delivery_change();
