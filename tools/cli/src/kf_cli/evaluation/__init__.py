"""Scripted conversations that score the dialog, whatever model answers: `kf eval`."""
