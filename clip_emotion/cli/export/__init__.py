"""``clip-emotion export``: models and labelled images in the forms of other tools, and ``import``, the way back."""
