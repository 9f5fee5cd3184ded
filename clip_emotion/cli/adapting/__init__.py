"""``clip-emotion adapt`` and ``calibrate``, and what ``label`` and ``evaluate`` take from them."""
