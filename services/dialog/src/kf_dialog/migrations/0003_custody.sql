-- Who has a conversation, what it remembers, and what became of its turns.

ALTER TABLE conversation
    ADD COLUMN holder text NOT NULL DEFAULT 'bot' CHECK (holder IN ('bot', 'asked', 'pool', 'servicer')),
    -- When we last heard of the holder, by our clock: older news never undo newer ones.
    ADD COLUMN holder_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN holder_reason text NOT NULL DEFAULT '',
    ADD COLUMN servicer_userid text NOT NULL DEFAULT '',
    -- Turns in a row that did not help; a helpful one or a handover begins anew.
    ADD COLUMN unhelpful int NOT NULL DEFAULT 0,
    ADD COLUMN scene text NOT NULL DEFAULT '',
    ADD COLUMN scene_param text NOT NULL DEFAULT '',
    ADD COLUMN memory text NOT NULL DEFAULT '',
    -- The newest turn that `memory` covers.
    ADD COLUMN memory_position bigint NOT NULL DEFAULT 0,
    -- The waiting_since for which people were alarmed.
    ADD COLUMN alarmed_for timestamptz;
CREATE INDEX conversation_waiting ON conversation (waiting_since) WHERE waiting_since IS NOT NULL;
CREATE INDEX conversation_age ON conversation (last_message_at);
CREATE INDEX conversation_customer ON conversation (external_userid);

-- How long the customer was given to go on typing after this message.
ALTER TABLE inbox ADD COLUMN quiet_seconds real NOT NULL DEFAULT 1.5;
CREATE INDEX inbox_age ON inbox (received_at);
CREATE INDEX inbox_customer ON inbox (external_userid);

ALTER TABLE turn
    ADD COLUMN cost double precision NOT NULL DEFAULT 0,
    ADD COLUMN currency text NOT NULL DEFAULT '',
    ADD COLUMN gap text NOT NULL DEFAULT '',
    ADD COLUMN handover_reason text NOT NULL DEFAULT '',
    ADD COLUMN handover_summary text NOT NULL DEFAULT '',
    -- Who took it: pool, servicer, nobody; empty while nobody knows.
    ADD COLUMN handover_result text NOT NULL DEFAULT '',
    ADD COLUMN kept jsonb;
CREATE INDEX turn_age ON turn (finished_at);
CREATE INDEX turn_customer ON turn (external_userid);

-- The newest status of every command, as the sender tells it.
CREATE TABLE delivery (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    command_id text NOT NULL,
    turn_id text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    parts_sent int NOT NULL,
    parts_total int NOT NULL,
    errcode int,
    reason text NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (open_kfid, external_userid, command_id)
);
CREATE INDEX delivery_turn ON delivery (open_kfid, external_userid, turn_id);
CREATE INDEX delivery_age ON delivery (occurred_at);
CREATE INDEX delivery_customer ON delivery (external_userid);

CREATE TABLE rating (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    msgid text NOT NULL,
    score smallint NOT NULL,
    label text NOT NULL,
    rated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (open_kfid, external_userid, msgid)
);
CREATE INDEX rating_customer ON rating (external_userid);
