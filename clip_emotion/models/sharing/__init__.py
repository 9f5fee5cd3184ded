"""Models shared on the Hugging Face Hub: checkpoints, classifiers and ensembles."""
