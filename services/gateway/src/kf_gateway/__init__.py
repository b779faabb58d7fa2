"""Verifies WeCom's callbacks, pulls messages and publishes them to JetStream."""
