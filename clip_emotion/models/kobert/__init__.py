"""KoBERT: its one door, its tokenizer and its head over emotions."""
