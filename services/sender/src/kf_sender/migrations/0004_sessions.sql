-- Handover: who has which session, as far as we know, and the codes that WeCom gave for a notice.

ALTER TABLE part ADD COLUMN code text NOT NULL DEFAULT '';

-- Sessions that a servicer has, from our own calls and from session_status_change. 48 h end every session.
CREATE TABLE servicer_session (
    open_kfid text NOT NULL,
    external_userid text NOT NULL,
    servicer_userid text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (open_kfid, external_userid)
);
CREATE INDEX servicer_session_of ON servicer_session (servicer_userid, since);

-- Round robin: who was given a session last is last among equals.
CREATE TABLE servicer (
    servicer_userid text PRIMARY KEY,
    given_at timestamptz NOT NULL
);
