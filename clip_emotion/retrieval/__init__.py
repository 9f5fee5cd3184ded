"""Vocabulary index and zero-shot labelling: text encoded once, pictures streamed past it."""
