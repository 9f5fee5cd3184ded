"""``clip-emotion data``: fetch, prepare, merge, split and check data sets."""
