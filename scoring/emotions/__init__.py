"""The emotion of a turn: its sources, pooling and the normalising of chat text."""
