"""Encoders through ONNX Runtime: towers exported once, and run without the library that trained them."""
