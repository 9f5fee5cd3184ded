"""Hyper-parameter search, and studies of named rows of settings."""
