"""The one training loop: schedule, state, metrics."""
