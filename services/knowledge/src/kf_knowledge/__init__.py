"""The knowledge service: documents, passages, embeddings and hybrid search on PostgreSQL with pgvector."""

import os

# Read once, when NumPy loads its BLAS. The service runs its own threads; a BLAS that starts one per core in
# each of them fights over the same cores (and in a container counts the node's cores, not its limit).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
