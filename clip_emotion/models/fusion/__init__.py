"""Fusion: an image's feature and its caption's text feature, joined by a small head over fixed classes."""
