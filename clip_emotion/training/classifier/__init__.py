"""Training of classifiers: the baselines that image–text encoders are compared with."""
