"""Words of one's own: what examples add to an encoder's words, a temperature, and the correction of priors."""
