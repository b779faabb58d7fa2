"""The knowledge service's API, one package per version."""
