"""Scores and embedders against people's judgements."""
