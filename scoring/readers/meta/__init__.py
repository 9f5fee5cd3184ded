"""Exports of Instagram and Facebook."""
