"""What is wrong, and telling people: checks, incidents, messages, delivery."""
