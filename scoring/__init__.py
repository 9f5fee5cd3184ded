"""Conversation scoring: how a chat feels, turn by turn and as a whole."""
