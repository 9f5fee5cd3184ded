"""Studies: named rows of settings, each trained, measured and set side by side."""
