"""Plots of scored conversations and of the labels' weights, with Hangul rendered."""
