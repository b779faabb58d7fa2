-- The evidence from which on a question is answerable, set by the collection's own test questions; NULL: the setting.
ALTER TABLE knowledge.collection ADD COLUMN answerable_evidence double precision;
