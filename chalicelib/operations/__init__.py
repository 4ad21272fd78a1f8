"""What a person or the assistant may do."""
