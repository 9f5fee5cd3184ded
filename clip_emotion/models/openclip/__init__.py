"""Any open_clip model, as an encoder and as a backbone."""
