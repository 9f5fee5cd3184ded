"""``clip-emotion score``: conversations scored turn by turn and as a whole."""
