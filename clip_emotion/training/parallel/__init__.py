"""Training in several processes: the process group, shared batch norm, Ray Train."""
