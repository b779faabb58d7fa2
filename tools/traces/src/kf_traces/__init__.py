"""The local tracing dashboard: OTLP in, one page and a JSON API out."""
