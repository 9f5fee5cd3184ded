"""Scored conversations as rows, pages and plots."""
