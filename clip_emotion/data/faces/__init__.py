"""Faces in an image: found, cropped and aligned."""
