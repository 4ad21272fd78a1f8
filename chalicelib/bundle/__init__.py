"""The bundle: syncs, revisions and the environment of jobs. The only package that uses the loader."""
