"""Classifiers of images over fixed classes: any network that timm builds by name."""
