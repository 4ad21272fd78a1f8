"""Numbered, append-only migrations, and the takeover of an earlier system's store."""
