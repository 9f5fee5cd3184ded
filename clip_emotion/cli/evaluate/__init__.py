"""``clip-emotion evaluate`` and its kin: encoders, embedders and scores against people's judgements."""
