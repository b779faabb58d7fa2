-- Every key begins with (open_kfid, external_userid): hash partitioning by conversation needs no new key.

CREATE TABLE conversation (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    -- Grows with every change in the inbox that a turn under way must notice.
    revision bigint NOT NULL DEFAULT 0,
    -- When the unanswered messages may be taken; NULL when there are none.
    due_at timestamptz,
    -- When the oldest unanswered message arrived; the upper bound for joining a turn counts from here.
    waiting_since timestamptz,
    last_message_at timestamptz NOT NULL,
    -- Fencing token: each claim takes a greater one, and only the greatest may commit.
    lease_token bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    failures int NOT NULL DEFAULT 0,
    PRIMARY KEY (open_kfid, external_userid)
);
CREATE INDEX conversation_due ON conversation (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE inbox (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    msgid text NOT NULL,
    -- Order of arrival. Not JetStream's sequence: a stream that is made anew begins at 1 again.
    position bigint GENERATED ALWAYS AS IDENTITY,
    origin int NOT NULL,
    msgtype text NOT NULL,
    send_time timestamptz NOT NULL,
    item jsonb NOT NULL,
    carrier jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('new', 'answered', 'ignored')),
    reason text NOT NULL DEFAULT '',
    turn_id text,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (open_kfid, external_userid, msgid)
);
CREATE INDEX inbox_unanswered ON inbox (open_kfid, external_userid, position) WHERE status = 'new';

CREATE TABLE turn (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    turn_id text NOT NULL,
    -- The position of its newest message: turns of one conversation are ordered by it.
    position bigint NOT NULL,
    msgids text[] NOT NULL,
    question text NOT NULL,
    reply text NOT NULL,
    outcome text NOT NULL,
    model text NOT NULL,
    input_tokens int NOT NULL,
    output_tokens int NOT NULL,
    passage_ids text[] NOT NULL,
    waiting_since timestamptz NOT NULL,
    search_seconds real NOT NULL,
    model_seconds real NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    carrier jsonb NOT NULL,
    PRIMARY KEY (open_kfid, external_userid, turn_id)
);
CREATE INDEX turn_history ON turn (open_kfid, external_userid, position DESC);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command_id text NOT NULL UNIQUE,
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    payload text NOT NULL,
    carrier jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
