"""Captioners: what a model says of an image, kept in a file that people may read and edit."""
