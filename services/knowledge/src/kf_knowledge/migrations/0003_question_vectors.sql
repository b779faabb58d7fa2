-- A model that marks questions and passages apart finds two questions nearer than a question and its passage: search
-- evens that out, so it must know which kind a vector is.
ALTER TABLE knowledge.passage_vector ADD COLUMN is_question boolean NOT NULL DEFAULT false;
UPDATE knowledge.passage_vector v SET is_question = true
FROM knowledge.passage p WHERE p.id = v.passage_id AND p.question <> '';
ALTER TABLE knowledge.passage_vector ALTER COLUMN is_question DROP DEFAULT;
