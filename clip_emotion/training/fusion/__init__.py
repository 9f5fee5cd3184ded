"""Fusion of an image feature with a caption's text feature: its stages, each kept, and the training of its head."""
