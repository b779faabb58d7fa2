-- Statements of Versions: which version of a collection is searched.

-- name: revision
SELECT revision FROM collection WHERE name = $1;

-- name: lock_collection
-- One writer per collection at a time: its sums and frequencies change in every write.
SELECT id, published, draft, revision FROM collection WHERE name = $1 FOR UPDATE;

-- name: delete_unused_frequencies
DELETE FROM lexeme_frequency WHERE collection_id = $1 AND passage_count = 0 AND draft_count = 0;

-- name: is_changed
-- Whether the draft differs from the published version.
SELECT EXISTS (SELECT FROM edition WHERE collection_id = $1 AND (born > $2 OR died > $2 AND died < 2147483647));

-- name: publish
UPDATE collection SET published = draft, draft = draft + 1, document_count = draft_document_count,
    passage_count = draft_passage_count, lexeme_count = draft_lexeme_count
WHERE id = $1 RETURNING published;

-- name: publish_frequencies
UPDATE lexeme_frequency SET passage_count = draft_count WHERE collection_id = $1 AND passage_count <> draft_count;

-- name: insert_version
INSERT INTO version (collection_id, number, document_count, passage_count, lexeme_count, evaluation)
SELECT id, published, document_count, passage_count, lexeme_count, $2::text::jsonb FROM collection WHERE id = $1;

-- name: oldest_kept
-- The version below which nothing is kept, when $2 versions are.
SELECT min(number) FROM (SELECT number FROM version WHERE collection_id = $1 ORDER BY number DESC LIMIT $2) AS kept;

-- name: forget_versions
DELETE FROM version WHERE collection_id = $1 AND number < $2;

-- name: forget_passages
DELETE FROM passage WHERE collection_id = $1 AND died <= $2 AND died < 2147483647;

-- name: forget_editions
DELETE FROM edition WHERE collection_id = $1 AND died <= $2 AND died < 2147483647;

-- name: forget_documents
DELETE FROM document d WHERE d.collection_id = $1 AND NOT EXISTS (SELECT FROM edition e WHERE e.document_id = d.id);

-- name: discard_passages
DELETE FROM passage WHERE collection_id = $1 AND born > $2;

-- name: revive_passages
UPDATE passage SET died = 2147483647 WHERE collection_id = $1 AND died > $2 AND died < 2147483647 RETURNING id;

-- name: revive_terms
UPDATE passage_terms SET died = 2147483647 WHERE passage_id = ANY ($1::uuid[]);

-- name: revive_vectors
UPDATE passage_vector SET died = 2147483647 WHERE passage_id = ANY ($1::uuid[]);

-- name: discard_editions
WITH gone AS (DELETE FROM edition WHERE collection_id = $1 AND born > $2)
UPDATE edition SET died = 2147483647 WHERE collection_id = $1 AND born <= $2 AND died > $2 AND died < 2147483647;

-- name: discard_frequencies
UPDATE lexeme_frequency SET draft_count = passage_count WHERE collection_id = $1 AND passage_count <> draft_count;

-- name: discard
UPDATE collection SET revision = revision + 1, draft_document_count = document_count,
    draft_passage_count = passage_count, draft_lexeme_count = lexeme_count
WHERE id = $1;

-- name: discard_versions
DELETE FROM version WHERE collection_id = $1 AND number > $2;

-- name: version_numbers
SELECT number FROM version WHERE collection_id = $1 ORDER BY number;

-- name: move_frequencies
-- The published counts, from those of version $2 to those of version $3.
INSERT INTO lexeme_frequency AS f (collection_id, lexeme, passage_count)
SELECT $1, substr(lexeme, position(':' IN lexeme) + 1), sum(CASE WHEN t.born <= $3 AND t.died > $3 THEN 1 ELSE -1 END)
FROM passage p JOIN passage_terms t ON t.passage_id = p.id
CROSS JOIN LATERAL unnest(tsvector_to_array(t.lexemes)) AS lexeme
WHERE p.collection_id = $1 AND (p.born <= $2 AND p.died > $2) <> (p.born <= $3 AND p.died > $3)
GROUP BY lexeme
ON CONFLICT (collection_id, lexeme) DO UPDATE SET passage_count = f.passage_count + excluded.passage_count;

-- name: set_published
UPDATE collection c SET published = $2,
    document_count = (SELECT count(*) FROM edition e WHERE e.collection_id = c.id AND e.born <= $2 AND e.died > $2),
    passage_count = s.passages, lexeme_count = s.lexemes
FROM (
    SELECT count(*) AS passages, coalesce(sum(t.lexeme_count), 0) AS lexemes
    FROM passage p JOIN passage_terms t ON t.passage_id = p.id
    WHERE p.collection_id = $1 AND p.born <= $2 AND p.died > $2
) AS s
WHERE c.id = $1;

-- name: versions
SELECT v.number, v.published_at, v.document_count, v.passage_count, v.number = c.published AS current,
       v.evaluation::text AS evaluation
FROM version v JOIN collection c ON c.id = v.collection_id WHERE c.name = $1 ORDER BY v.number DESC;

-- name: changes
SELECT d.source,
       CASE WHEN o.born IS NULL THEN 'added' WHEN n.born IS NULL THEN 'removed' ELSE 'changed' END AS kind,
       (SELECT count(*) FROM passage p WHERE p.document_id = d.id AND p.born > c.published
          AND p.died = 2147483647)::int AS passages_added,
       (SELECT count(*) FROM passage p WHERE p.document_id = d.id AND p.born <= c.published
          AND p.died > c.published AND p.died < 2147483647)::int AS passages_removed
FROM collection c JOIN document d ON d.collection_id = c.id
LEFT JOIN edition o ON o.document_id = d.id AND o.born <= c.published AND o.died > c.published
LEFT JOIN edition n ON n.document_id = d.id AND n.died = 2147483647
WHERE c.name = $1 AND o.born IS DISTINCT FROM n.born
ORDER BY d.source COLLATE "C";
