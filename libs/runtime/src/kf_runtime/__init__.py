"""Plumbing of Kefu's services: settings, logging, telemetry, NATS, gRPC, Postgres, health, lifecycle."""
