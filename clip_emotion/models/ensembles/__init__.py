"""Ensembles: several models that answer over one vocabulary as one."""
