"""Fine-tuning of any encoder on labelled images."""
