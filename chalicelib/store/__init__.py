"""The store: runs, jobs, logs and Sauron's own state in SQLite or PostgreSQL, by SQLAlchemy Core.

One module per noun; each holds its statements and functions that take the transaction they work in, so that a
duty can change several nouns as one. `database.py` opens, migrates and hands out transactions.
"""

from .database import Store

__all__ = ["Store"]
