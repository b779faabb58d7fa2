"""Plumbing of Kefu's services; it holds no decision about the product."""
