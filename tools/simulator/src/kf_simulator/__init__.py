"""A WeCom KF, and an OpenAI-compatible model, to run against."""
