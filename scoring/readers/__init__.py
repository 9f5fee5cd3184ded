"""Readers of chat exports and tables, one layout a file."""
