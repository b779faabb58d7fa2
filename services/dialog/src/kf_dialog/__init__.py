"""Keeps conversations, asks knowledge and the model, and decides what to answer."""
