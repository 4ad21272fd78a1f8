"""What the scheduled handlers call: tick and upkeep."""
