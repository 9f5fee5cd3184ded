"""Fine-tuning of KoBERT on Korean emotions."""
