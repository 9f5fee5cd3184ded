"""EmotionClip: a backbone with deeper heads, and its checkpoints."""
