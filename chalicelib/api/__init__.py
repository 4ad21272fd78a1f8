"""HTTP: one blueprint per noun, the same middleware for every request, one shape for errors.

`middleware` checks a request (size, token, site) and completes its response; `routing` declares routes and
gives each handler its request; `problems` writes errors; `query` and `bodies` read what a caller sent;
`serializers` write values as JSON; the blueprints (`health`, `jobs`, `runs`, `bundle`, `schedule`,
`planning`, `alerts`, `runners`, `page`) hold the routes. Nothing here decides anything about jobs: a handler
reads the store or makes one call to the process's Sauron.
"""
