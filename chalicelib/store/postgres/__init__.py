"""What is PostgreSQL's own: the engine, locks, the server's clock, single-statement claims."""
