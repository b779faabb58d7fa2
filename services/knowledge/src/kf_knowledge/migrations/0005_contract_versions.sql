-- A collection has versions, numbered from 1. Customers' questions search the published one; imports change the
-- draft, which is the next. What was added in version `born` and removed in version `died` is part of the versions
-- born <= v < died; 2147483647 means not removed. Programs from before this file would show a draft to customers.
ALTER TABLE knowledge.collection
    -- 0: nothing is published yet.
    ADD COLUMN published integer NOT NULL DEFAULT 0,
    ADD COLUMN draft integer NOT NULL DEFAULT 1,
    -- Changes with every change of the draft: what was evaluated is what is published.
    ADD COLUMN revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN draft_document_count integer NOT NULL DEFAULT 0,
    ADD COLUMN draft_passage_count integer NOT NULL DEFAULT 0,
    ADD COLUMN draft_lexeme_count bigint NOT NULL DEFAULT 0;
UPDATE knowledge.collection SET published = 1, draft = 2, draft_document_count = document_count,
    draft_passage_count = passage_count, draft_lexeme_count = lexeme_count;

-- The versions that can be gone back to, with their sums and the figures they were published on.
CREATE TABLE knowledge.version (
    collection_id integer NOT NULL REFERENCES knowledge.collection,
    number integer NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    document_count integer NOT NULL,
    passage_count integer NOT NULL,
    lexeme_count bigint NOT NULL,
    evaluation jsonb,
    PRIMARY KEY (collection_id, number)
);
INSERT INTO knowledge.version (collection_id, number, document_count, passage_count, lexeme_count)
SELECT id, 1, document_count, passage_count, lexeme_count FROM knowledge.collection;

-- What a document was in the versions born <= v < died. knowledge.document is what stays: its key, and the handle that
-- erases all of it.
CREATE TABLE knowledge.edition (
    document_id uuid NOT NULL REFERENCES knowledge.document ON DELETE CASCADE,
    collection_id integer NOT NULL,
    born integer NOT NULL,
    died integer NOT NULL DEFAULT 2147483647,
    title text NOT NULL,
    format smallint NOT NULL,
    content_hash bytea NOT NULL,
    passage_count integer NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    language text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    valid_from timestamptz,
    valid_until timestamptz,
    PRIMARY KEY (document_id, born)
);
CREATE INDEX edition_validity ON knowledge.edition (collection_id)
    WHERE valid_from IS NOT NULL OR valid_until IS NOT NULL;
CREATE INDEX edition_died ON knowledge.edition (collection_id, died) WHERE died < 2147483647;
INSERT INTO knowledge.edition (document_id, collection_id, born, title, format, content_hash, passage_count, updated_at)
SELECT id, collection_id, 1, title, format, content_hash, passage_count, updated_at FROM knowledge.document;
ALTER TABLE knowledge.document
    DROP COLUMN title, DROP COLUMN format, DROP COLUMN content_hash, DROP COLUMN passage_count, DROP COLUMN updated_at;

-- A passage that comes back after it was removed needs a second row: `key` is what both have in common.
ALTER TABLE knowledge.passage
    ADD COLUMN key uuid,
    ADD COLUMN born integer NOT NULL DEFAULT 1,
    ADD COLUMN died integer NOT NULL DEFAULT 2147483647,
    -- The page of the document it begins on, from 1; 0 where there are no pages.
    ADD COLUMN page integer NOT NULL DEFAULT 0;
UPDATE knowledge.passage SET key = id;
ALTER TABLE knowledge.passage ALTER COLUMN key SET NOT NULL, ALTER COLUMN born DROP DEFAULT;
CREATE INDEX passage_died ON knowledge.passage (collection_id, died) WHERE died < 2147483647;

-- Repeated where searches read, so that they need no join.
ALTER TABLE knowledge.passage_terms
    ADD COLUMN born integer NOT NULL DEFAULT 1,
    ADD COLUMN died integer NOT NULL DEFAULT 2147483647;
ALTER TABLE knowledge.passage_terms ALTER COLUMN born DROP DEFAULT;
ALTER TABLE knowledge.passage_vector
    ADD COLUMN born integer NOT NULL DEFAULT 1,
    ADD COLUMN died integer NOT NULL DEFAULT 2147483647;
ALTER TABLE knowledge.passage_vector ALTER COLUMN born DROP DEFAULT;

-- passage_count is of the published version, draft_count of the draft.
ALTER TABLE knowledge.lexeme_frequency ADD COLUMN draft_count integer NOT NULL DEFAULT 0;
UPDATE knowledge.lexeme_frequency SET draft_count = passage_count;
ALTER TABLE knowledge.lexeme_frequency ALTER COLUMN passage_count SET DEFAULT 0;

-- What a collection must be able to answer; `expected` is empty for questions that it must not answer.
CREATE TABLE knowledge.test_question (
    collection_id integer NOT NULL REFERENCES knowledge.collection,
    ordinal integer NOT NULL,
    question text NOT NULL,
    expected text[] NOT NULL,
    category text NOT NULL,
    PRIMARY KEY (collection_id, ordinal)
);

-- Words of the trade: groups of words that mean the same to a search, or one product's name.
CREATE TABLE knowledge.word_group (
    collection_id integer NOT NULL REFERENCES knowledge.collection,
    words text[] NOT NULL
);
CREATE INDEX word_group_collection ON knowledge.word_group (collection_id);
