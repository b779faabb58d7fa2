-- Statements of Curation: what people keep with a collection.

-- name: create_collection
INSERT INTO collection (name) VALUES ($1) ON CONFLICT (name) DO NOTHING;

-- name: test_questions
SELECT question, expected, category FROM test_question
WHERE collection_id = (SELECT id FROM collection WHERE name = $1) ORDER BY ordinal;

-- name: delete_test_questions
DELETE FROM test_question WHERE collection_id = (SELECT id FROM collection WHERE name = $1);

-- name: insert_test_question
INSERT INTO test_question (collection_id, ordinal, question, expected, category)
SELECT id, $2, $3, $4, $5 FROM collection WHERE name = $1;

-- name: word_groups
SELECT words FROM word_group
WHERE collection_id = (SELECT id FROM collection WHERE name = $1) ORDER BY words[1] COLLATE "C";

-- name: delete_word_groups
DELETE FROM word_group WHERE collection_id = (SELECT id FROM collection WHERE name = $1);

-- name: insert_word_group
INSERT INTO word_group (collection_id, words) SELECT id, $2 FROM collection WHERE name = $1;
