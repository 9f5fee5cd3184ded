"""Interview rehearsals: frames with times in, a report of how the face looked out; never a score of a person."""
