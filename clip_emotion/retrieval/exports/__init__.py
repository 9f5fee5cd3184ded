"""The way out: labelled images for the tools that people label with, and as data sets to give away."""
