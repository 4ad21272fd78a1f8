"""The runner's side: boot a revision, start attempts, end what they started."""
