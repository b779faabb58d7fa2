"""Documents, chunks, embeddings and hybrid search on PostgreSQL with pgvector."""
