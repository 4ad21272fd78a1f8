"""The bundle: sync, revisions, what its jobs may see. The only room that uses the loader."""
