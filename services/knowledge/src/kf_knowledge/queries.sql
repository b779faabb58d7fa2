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
-- $3: the draft instead of the published version. $4: the question, folded, for the collection's own words.
SELECT c.id, w.version, w.passages, w.lexemes, c.answerable_evidence,
       coalesce(f.lexemes, '{}') AS known, coalesce(f.frequencies, '{}') AS frequencies,
       EXISTS (SELECT FROM edition e WHERE e.collection_id = c.id AND e.born <= w.version AND e.died > w.version
                 AND (e.valid_from IS NOT NULL OR e.valid_until IS NOT NULL)
                 AND (e.valid_from > now() OR e.valid_until <= now())) AS restricted,
       ARRAY(SELECT array_to_string(g.words, chr(31)) FROM word_group g WHERE g.collection_id = c.id
               AND EXISTS (SELECT FROM unnest(g.words) AS word WHERE position(word IN $4) > 0)) AS word_groups
FROM collection c
CROSS JOIN LATERAL (
    SELECT CASE WHEN $3 THEN c.draft ELSE c.published END AS version,
           CASE WHEN $3 THEN c.draft_passage_count ELSE c.passage_count END AS passages,
           CASE WHEN $3 THEN c.draft_lexeme_count ELSE c.lexeme_count END AS lexemes
) AS w
LEFT JOIN LATERAL (
    SELECT array_agg(f.lexeme) AS lexemes,
           array_agg(CASE WHEN $3 THEN f.draft_count ELSE f.passage_count END) AS frequencies
    FROM lexeme_frequency f WHERE f.collection_id = c.id AND f.lexeme = ANY ($2::text[])
) AS f ON true
WHERE c.name = $1;

-- name: nearest_by_scan
-- Here and below, $2 is the version that is searched, in the place of "admitted" stands admitted_documents where a
-- filter is needed, and $5 is how much nearer questions are than prose that answers as well.
WITH distance AS MATERIALIZED (
    SELECT passage_id, (embedding <=> $3::halfvec) + is_question::int * $5::float8 AS distance
    FROM passage_vector v WHERE collection_id = $1 AND born <= $2 AND died > $2 {admitted}
), best AS MATERIALIZED (
    SELECT passage_id, 1 - min(distance) AS cosine FROM distance GROUP BY passage_id ORDER BY cosine DESC LIMIT $4
)
SELECT t.passage_id AS id, b.cosine, t.lexeme_count AS length, t.hashes, t.counts
FROM best b JOIN passage_terms t ON t.passage_id = b.passage_id ORDER BY b.cosine DESC;

-- name: nearest_by_index
-- {dimension} is the model's: the expression must be the index's own.
WITH hit AS MATERIALIZED (
    SELECT passage_id, is_question, embedding::halfvec({dimension}) <=> $3::halfvec({dimension}) AS distance
    FROM passage_vector v WHERE collection_id = $1 AND born <= $2 AND died > $2 {admitted}
    ORDER BY embedding::halfvec({dimension}) <=> $3::halfvec({dimension}) LIMIT $4
), best AS MATERIALIZED (
    SELECT passage_id, 1 - min(distance + is_question::int * $5::float8) AS cosine FROM hit GROUP BY passage_id
)
SELECT t.passage_id AS id, b.cosine, t.lexeme_count AS length, t.hashes, t.counts
FROM best b JOIN passage_terms t ON t.passage_id = b.passage_id ORDER BY b.cosine DESC;

-- name: admitted_documents
-- The document is valid now and is of the language and the tags that were asked for.
AND EXISTS (
    SELECT FROM passage p JOIN edition e ON e.document_id = p.document_id AND e.born <= $2 AND e.died > $2
    WHERE p.id = v.passage_id
      AND (e.valid_from IS NULL OR e.valid_from <= now()) AND (e.valid_until IS NULL OR e.valid_until > now())
      AND ({language}::text = '' OR e.language = {language}) AND e.tags @> {tags}::text[]
);

-- name: matching
-- The collection stands in the lexemes; $1 takes part for the filter's sake alone.
WITH v AS MATERIALIZED (
    SELECT passage_id, lexeme_count, hashes, counts FROM passage_terms v
    WHERE $1::integer IS NOT NULL AND lexemes @@ $3::text::tsquery AND born <= $2 AND died > $2 {admitted} LIMIT $6
)
SELECT v.passage_id AS id, n.cosine, v.lexeme_count AS length, v.hashes, v.counts
FROM v CROSS JOIN LATERAL (
    SELECT 1 - min((e.embedding <=> $4::halfvec) + e.is_question::int * $5::float8) AS cosine
    FROM passage_vector e WHERE e.passage_id = v.passage_id
) AS n;

-- name: passages
SELECT p.id, p.document_id, d.source, e.title, p.headings, p.question, p.text, p.page
FROM passage p JOIN document d ON d.id = p.document_id
JOIN edition e ON e.document_id = d.id AND e.born <= $2 AND e.died > $2
WHERE p.id = ANY ($1::uuid[]);

-- name: set_threshold
UPDATE collection SET answerable_evidence = $2 WHERE name = $1;

-- name: document
-- As it stands in the draft.
SELECT d.id, c.name AS collection, d.source, e.title, e.format, e.content_hash, e.passage_count, e.updated_at,
       e.language, e.tags, e.valid_from, e.valid_until, e.born <= c.published AS published
FROM document d JOIN collection c ON c.id = d.collection_id JOIN edition e ON e.document_id = d.id
WHERE c.name = $1 AND d.id = $2 AND e.died = 2147483647;

-- name: documents
SELECT d.id, c.name AS collection, d.source, e.title, e.format, e.content_hash, e.passage_count, e.updated_at,
       e.language, e.tags, e.valid_from, e.valid_until, e.born <= c.published AS published
FROM collection c
CROSS JOIN LATERAL (SELECT CASE WHEN $4 THEN c.draft ELSE c.published END AS version) AS w
JOIN document d ON d.collection_id = c.id
JOIN edition e ON e.document_id = d.id AND e.born <= w.version AND e.died > w.version
WHERE c.name = $1 AND d.source COLLATE "C" > $2
ORDER BY d.source COLLATE "C" LIMIT $3;

-- name: collections
SELECT name, document_count, passage_count, published, draft_document_count, draft_passage_count,
       EXISTS (SELECT FROM edition e WHERE e.collection_id = c.id
                 AND (e.born > c.published OR e.died > c.published AND e.died < 2147483647)) AS changed,
       (SELECT count(*) FROM test_question q WHERE q.collection_id = c.id)::int AS question_count
FROM collection c ORDER BY name COLLATE "C";

-- name: document_passages
SELECT p.id, p.document_id, d.source, e.title, p.headings, p.question, p.text, p.page
FROM document d JOIN collection c ON c.id = d.collection_id
CROSS JOIN LATERAL (SELECT CASE WHEN $3 THEN c.draft ELSE c.published END AS version) AS w
JOIN edition e ON e.document_id = d.id AND e.born <= w.version AND e.died > w.version
JOIN passage p ON p.document_id = d.id AND p.born <= w.version AND p.died > w.version
WHERE c.name = $1 AND d.id = $2 ORDER BY p.ordinal LIMIT $4;

-- name: live_passages
SELECT id, key FROM passage WHERE document_id = $1 AND died = 2147483647;
