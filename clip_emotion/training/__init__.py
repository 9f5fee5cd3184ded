"""Losses, the one training loop, and the stages that make the bundled mini."""
