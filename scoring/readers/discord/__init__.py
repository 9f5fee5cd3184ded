"""What DiscordChatExporter writes."""
