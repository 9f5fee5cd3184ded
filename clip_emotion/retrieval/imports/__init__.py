"""The way back: what people said of exported images, as examples, as data to train on, and beside the model's words."""
