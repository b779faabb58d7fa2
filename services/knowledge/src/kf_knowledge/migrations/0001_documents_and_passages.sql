-- The model that made the stored vectors: one row, checked at every start.
CREATE TABLE knowledge.embedding_model (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    name text NOT NULL,
    dimension integer NOT NULL CHECK (dimension BETWEEN 1 AND 4000)
);

-- The three sums are kept by the transactions that change passages; BM25 needs the last two.
CREATE TABLE knowledge.collection (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    document_count integer NOT NULL DEFAULT 0,
    passage_count integer NOT NULL DEFAULT 0,
    lexeme_count bigint NOT NULL DEFAULT 0
);

CREATE TABLE knowledge.document (
    id uuid PRIMARY KEY,
    collection_id integer NOT NULL REFERENCES knowledge.collection,
    source text NOT NULL,
    title text NOT NULL,
    format smallint NOT NULL,
    content_hash bytea NOT NULL,
    passage_count integer NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (collection_id, source)
);

CREATE TABLE knowledge.passage (
    -- Derived from the document and the passage's words, so that an unchanged passage keeps its row and its vectors.
    id uuid PRIMARY KEY,
    collection_id integer NOT NULL,
    document_id uuid NOT NULL REFERENCES knowledge.document ON DELETE CASCADE,
    ordinal integer NOT NULL,
    headings text[] NOT NULL,
    question text NOT NULL,
    text text NOT NULL,
    -- A lexeme's number of positions is its number of occurrences; the positions themselves mean nothing.
    lexemes tsvector NOT NULL,
    lexeme_count integer NOT NULL
);
CREATE INDEX passage_document ON knowledge.passage (document_id);
CREATE INDEX passage_collection ON knowledge.passage (collection_id);
CREATE INDEX passage_lexemes ON knowledge.passage USING gin (lexemes);

-- One vector for prose; for an FAQ entry one for each phrasing of its question.
-- The dimension is the model's: the service makes the HNSW index for it when it starts.
CREATE TABLE knowledge.passage_vector (
    passage_id uuid NOT NULL REFERENCES knowledge.passage ON DELETE CASCADE,
    collection_id integer NOT NULL,
    embedding halfvec NOT NULL
);
CREATE INDEX passage_vector_passage ON knowledge.passage_vector (passage_id);
CREATE INDEX passage_vector_collection ON knowledge.passage_vector (collection_id);

-- In how many passages of the collection a lexeme occurs.
CREATE TABLE knowledge.lexeme_frequency (
    collection_id integer NOT NULL REFERENCES knowledge.collection,
    lexeme text NOT NULL,
    passage_count integer NOT NULL,
    PRIMARY KEY (collection_id, lexeme)
);
