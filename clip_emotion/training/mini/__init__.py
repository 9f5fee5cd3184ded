"""The stages that make the bundled mini."""
