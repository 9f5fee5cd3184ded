"""Cards, recipes and checks that turn public data sets and a user's own files into Hugging Face data sets on disk."""
