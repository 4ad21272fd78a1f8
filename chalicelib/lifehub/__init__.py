"""Life Hub: a copy of runs and definitions in somebody else's PostgreSQL, which nothing here ever waits for.

The map: `publisher` empties the outbox, `rows` says what a row of Life Hub holds, `tables` writes such rows,
`schema` knows the tables and makes them where they are missing, `link` is the connection and its patience.
"""
