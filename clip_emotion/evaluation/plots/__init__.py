"""Plots of an evaluation, of a data set and of a training run, with Hangul rendered."""
