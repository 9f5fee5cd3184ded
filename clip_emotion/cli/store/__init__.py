"""The verbs of a store of embeddings: ``embed``, ``search`` and ``store``."""
