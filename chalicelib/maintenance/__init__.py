"""Keeping a deployment well: retention, backups, builtin jobs, the dead man's switch."""
