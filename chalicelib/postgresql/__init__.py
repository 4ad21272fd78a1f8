"""What every connection to PostgreSQL has in common: which hosts are public, and how a server is verified."""
