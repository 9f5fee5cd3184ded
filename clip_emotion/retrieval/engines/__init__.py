"""What runs ``embed`` and ``label``: this process, or the processes and machines of Ray; the same rows from either."""
