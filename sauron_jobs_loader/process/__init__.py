"""The child's side: the processes that load a bundle and run its jobs."""
