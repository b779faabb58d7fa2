-- Statements of Store. Names without a schema resolve to knowledge, the pool's search_path.

-- name: server_facts
SELECT current_setting('server_version_num')::int AS server_version,
       lower('ÄÉЖ') = 'äéж' AS lowers_unicode,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector') AS available,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS installed,
       to_regtype('halfvec') IS NOT NULL AS visible;

-- name: create_extension
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

-- name: embedding_model
SELECT name, dimension, EXISTS (SELECT FROM passage) AS in_use FROM embedding_model;

-- name: set_embedding_model
INSERT INTO embedding_model (name, dimension) VALUES ($1, $2)
ON CONFLICT (singleton) DO UPDATE SET name = excluded.name, dimension = excluded.dimension;

-- name: collection_statistics
SELECT c.id, c.passage_count, c.lexeme_count, c.answerable_evidence,
       coalesce((SELECT array_agg(f.lexeme) FROM lexeme_frequency f
                 WHERE f.collection_id = c.id AND f.lexeme = ANY ($2::text[])), '{}') AS lexemes,
       coalesce((SELECT array_agg(f.passage_count) FROM lexeme_frequency f
                 WHERE f.collection_id = c.id AND f.lexeme = ANY ($2::text[])), '{}') AS frequencies
FROM collection c WHERE c.name = $1;

-- name: nearest_by_scan
-- Here and below, the last parameter is how much nearer questions are than prose that answers as well.
WITH distance AS MATERIALIZED (
    SELECT passage_id, (embedding <=> $2::halfvec) + is_question::int * $4::float8 AS distance
    FROM passage_vector WHERE collection_id = $1
)
SELECT passage_id AS id, 1 - min(distance) AS cosine
FROM distance GROUP BY passage_id ORDER BY cosine DESC LIMIT $3;

-- name: nearest_by_index
-- {dimension} is the model's: the expression must be the index's own.
WITH hit AS MATERIALIZED (
    SELECT passage_id, is_question, embedding::halfvec({dimension}) <=> $2::halfvec({dimension}) AS distance
    FROM passage_vector WHERE collection_id = $1
    ORDER BY embedding::halfvec({dimension}) <=> $2::halfvec({dimension}) LIMIT 2 * $3
)
SELECT passage_id AS id, 1 - min(distance + is_question::int * $4::float8) AS cosine
FROM hit GROUP BY passage_id ORDER BY cosine DESC LIMIT $3;

-- name: cosines
SELECT passage_id AS id, 1 - min((embedding <=> $1::halfvec) + is_question::int * $3::float8) AS cosine
FROM passage_vector WHERE passage_id = ANY ($2::uuid[]) GROUP BY passage_id;

-- name: matching_terms
SELECT passage_id AS id, lexeme_count AS length, hashes, counts
FROM passage_terms WHERE lexemes @@ $1::text::tsquery LIMIT $2;

-- name: terms
SELECT passage_id AS id, lexeme_count AS length, hashes, counts
FROM passage_terms WHERE passage_id = ANY ($1::uuid[]);

-- name: passages
SELECT p.id, p.document_id, d.source, d.title, p.headings, p.question, p.text
FROM passage p JOIN document d ON d.id = p.document_id WHERE p.id = ANY ($1::uuid[]);

-- name: set_threshold
UPDATE collection SET answerable_evidence = $2 WHERE name = $1;

-- name: create_collection
INSERT INTO collection (name) VALUES ($1) ON CONFLICT (name) DO NOTHING;

-- name: lock_collection
-- One writer per collection at a time: its sums and frequencies change in every write.
SELECT id FROM collection WHERE name = $1 FOR UPDATE;

-- name: document
SELECT d.id, c.name AS collection, d.source, d.title, d.format, d.content_hash, d.passage_count, d.updated_at
FROM document d JOIN collection c ON c.id = d.collection_id
WHERE c.name = $1 AND d.id = $2;

-- name: documents
SELECT d.id, c.name AS collection, d.source, d.title, d.format, d.content_hash, d.passage_count, d.updated_at
FROM document d JOIN collection c ON c.id = d.collection_id
WHERE c.name = $1 AND d.source COLLATE "C" > $2
ORDER BY d.source COLLATE "C" LIMIT $3;

-- name: collections
SELECT name, document_count, passage_count FROM collection ORDER BY name COLLATE "C";

-- name: passage_ids
SELECT id FROM passage WHERE document_id = $1;

-- name: upsert_document
INSERT INTO document (id, collection_id, source, title, format, content_hash, passage_count)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE
SET title = excluded.title, format = excluded.format, content_hash = excluded.content_hash,
    passage_count = excluded.passage_count, updated_at = now();

-- name: insert_passages
INSERT INTO passage (id, collection_id, document_id, ordinal, headings, question, text)
VALUES ($1, $2, $3, 0, $4, $5, $6);

-- name: insert_terms
INSERT INTO passage_terms (passage_id, lexemes, hashes, counts, lexeme_count) VALUES ($1, $2::text::tsvector, $3, $4, $5);

-- name: insert_vectors
INSERT INTO passage_vector (passage_id, collection_id, embedding, is_question) VALUES ($1, $2, $3, $4);

-- name: order_passages
UPDATE passage p SET ordinal = o.ordinal
FROM unnest($1::uuid[]) WITH ORDINALITY AS o (id, ordinal)
WHERE p.id = o.id AND p.ordinal <> o.ordinal;

-- name: add_frequencies
INSERT INTO lexeme_frequency AS f (collection_id, lexeme, passage_count)
SELECT $1, substr(lexeme, position(':' IN lexeme) + 1), count(*)
FROM passage_terms t CROSS JOIN LATERAL unnest(tsvector_to_array(t.lexemes)) AS lexeme
WHERE t.passage_id = ANY ($2::uuid[]) GROUP BY lexeme
ON CONFLICT (collection_id, lexeme) DO UPDATE SET passage_count = f.passage_count + excluded.passage_count;

-- name: subtract_frequencies
UPDATE lexeme_frequency f SET passage_count = f.passage_count - gone.passages
FROM (
    SELECT substr(lexeme, position(':' IN lexeme) + 1) AS lexeme, count(*) AS passages
    FROM passage_terms t CROSS JOIN LATERAL unnest(tsvector_to_array(t.lexemes)) AS lexeme
    WHERE t.passage_id = ANY ($2::uuid[]) GROUP BY 1
) AS gone
WHERE f.collection_id = $1 AND f.lexeme = gone.lexeme;

-- name: delete_unused_frequencies
DELETE FROM lexeme_frequency WHERE collection_id = $1 AND passage_count = 0;

-- name: delete_passages
DELETE FROM passage WHERE id = ANY ($1::uuid[]);

-- name: delete_document
DELETE FROM document WHERE id = $1;

-- name: count_collection
UPDATE collection c SET
    document_count = (SELECT count(*) FROM document d WHERE d.collection_id = c.id),
    passage_count = c.passage_count + $2,
    lexeme_count = c.lexeme_count + $3
WHERE c.id = $1;

-- name: count_lexemes
SELECT coalesce(sum(lexeme_count), 0)::bigint FROM passage_terms WHERE passage_id = ANY ($1::uuid[]);
