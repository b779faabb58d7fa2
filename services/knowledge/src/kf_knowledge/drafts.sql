-- Statements of Drafts: what changes a collection. Each works inside a transaction that holds the collection's lock.

-- name: create_collection
INSERT INTO collection (name) VALUES ($1) ON CONFLICT (name) DO NOTHING;

-- name: lock_collection
-- One writer per collection at a time: its sums and frequencies change in every write.
SELECT id, published, draft, revision FROM collection WHERE name = $1 FOR UPDATE;

-- name: document_passages
SELECT id, key, born, died FROM passage WHERE document_id = $1;

-- name: insert_document
INSERT INTO document (id, collection_id, source) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING;

-- name: end_edition
WITH unseen AS (DELETE FROM edition WHERE document_id = $1 AND born = $2)
UPDATE edition SET died = $2 WHERE document_id = $1 AND died = 2147483647 AND born < $2;

-- name: insert_edition
INSERT INTO edition (document_id, collection_id, born, title, format, content_hash, passage_count,
                     language, tags, valid_from, valid_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: delete_abandoned_document
-- It was only ever in the draft.
DELETE FROM document d WHERE d.id = $1 AND NOT EXISTS (SELECT FROM edition e WHERE e.document_id = d.id);

-- name: insert_passages
INSERT INTO passage (id, key, collection_id, document_id, born, ordinal, headings, question, text)
VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8);

-- name: insert_terms
INSERT INTO passage_terms (passage_id, lexemes, hashes, counts, lexeme_count, born)
VALUES ($1, $2::text::tsvector, $3, $4, $5, $6);

-- name: insert_vectors
INSERT INTO passage_vector (passage_id, collection_id, embedding, is_question, born) VALUES ($1, $2, $3, $4, $5);

-- name: order_passages
UPDATE passage p SET ordinal = o.ordinal, page = o.page
FROM unnest($1::uuid[], $2::integer[]) WITH ORDINALITY AS o (id, page, ordinal)
WHERE p.id = o.id AND (p.ordinal <> o.ordinal OR p.page <> o.page);

-- name: end_passages
UPDATE passage SET died = $2 WHERE id = ANY ($1::uuid[]);

-- name: end_terms
UPDATE passage_terms SET died = $2 WHERE passage_id = ANY ($1::uuid[]);

-- name: end_vectors
UPDATE passage_vector SET died = $2 WHERE passage_id = ANY ($1::uuid[]);

-- name: delete_passages
DELETE FROM passage WHERE id = ANY ($1::uuid[]);

-- name: delete_document
DELETE FROM document WHERE id = $1;

-- name: change_frequencies
-- Adds $3 to the draft's counts and $4 to the published ones for every lexeme of the passages.
INSERT INTO lexeme_frequency AS f (collection_id, lexeme, draft_count, passage_count)
SELECT $1, substr(lexeme, position(':' IN lexeme) + 1), count(*) * $3::integer, count(*) * $4::integer
FROM passage_terms t CROSS JOIN LATERAL unnest(tsvector_to_array(t.lexemes)) AS lexeme
WHERE t.passage_id = ANY ($2::uuid[]) GROUP BY lexeme
ON CONFLICT (collection_id, lexeme) DO UPDATE
SET draft_count = f.draft_count + excluded.draft_count, passage_count = f.passage_count + excluded.passage_count;

-- name: delete_unused_frequencies
DELETE FROM lexeme_frequency WHERE collection_id = $1 AND passage_count = 0 AND draft_count = 0;

-- name: count_lexemes
SELECT coalesce(sum(lexeme_count), 0)::bigint FROM passage_terms WHERE passage_id = ANY ($1::uuid[]);

-- name: revise
-- Passages and lexemes that the draft has more or less.
UPDATE collection c SET revision = revision + 1,
    draft_document_count = (SELECT count(*) FROM edition e WHERE e.collection_id = c.id AND e.died = 2147483647),
    draft_passage_count = draft_passage_count + $2,
    draft_lexeme_count = draft_lexeme_count + $3
WHERE id = $1;

-- name: revise_published
UPDATE collection c SET
    document_count = (SELECT count(*) FROM edition e
                      WHERE e.collection_id = c.id AND e.born <= c.published AND e.died > c.published),
    passage_count = passage_count + $2,
    lexeme_count = lexeme_count + $3
WHERE id = $1;
