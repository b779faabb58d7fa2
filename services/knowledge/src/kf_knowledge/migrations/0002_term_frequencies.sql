-- What the lexical side reads, apart from the text: a passage's lexemes for the index that picks candidates, and how
-- often each occurs in a form that is read at once, without taking a tsvector apart.
CREATE TABLE knowledge.passage_terms (
    passage_id uuid PRIMARY KEY REFERENCES knowledge.passage ON DELETE CASCADE,
    -- Each with its collection's id and a colon in front: a word that is rare here may be common elsewhere.
    lexemes tsvector NOT NULL,
    -- The first 4 bytes of each lexeme's SHA-256, one after the other, and in the same order one byte that counts it.
    hashes bytea NOT NULL,
    counts bytea NOT NULL,
    lexeme_count integer NOT NULL
) WITH (toast_tuple_target = 4080); -- moves the tsvector out and keeps hashes and counts in the row

INSERT INTO knowledge.passage_terms
SELECT p.id, t.lexemes, t.hashes, t.counts, p.lexeme_count
FROM knowledge.passage p CROSS JOIN LATERAL (
    SELECT array_to_tsvector(coalesce(array_agg(p.collection_id || ':' || u.lexeme), '{}')) AS lexemes,
           coalesce(string_agg(substring(sha256(convert_to(u.lexeme, 'UTF8')) FOR 4), '' ORDER BY u.lexeme), '') AS hashes,
           coalesce(string_agg(set_byte('\x00', 0, coalesce(cardinality(u.positions), 1)), '' ORDER BY u.lexeme), '') AS counts
    FROM unnest(p.lexemes) AS u
) AS t;

-- No pending list: every search would read it from end to end.
CREATE INDEX passage_terms_lexemes ON knowledge.passage_terms USING gin (lexemes) WITH (fastupdate = off);

ALTER TABLE knowledge.passage DROP COLUMN lexemes, DROP COLUMN lexeme_count;
