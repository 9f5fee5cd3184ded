"""Image-text encoders behind one contract: any open_clip model, a checkpoint trained here, the bundled mini."""
