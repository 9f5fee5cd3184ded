"""Embeddings of pictures, kept in one SQLite file: made once, labelled and searched with any words."""
