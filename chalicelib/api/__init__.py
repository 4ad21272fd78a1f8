"""HTTP: one blueprint per noun, one gate that every request passes, one shape for errors.

`gate` admits a request (size, site, token) and finishes its answer; `calls` declares routes and hands each
view its request; `problems` writes errors; `query` and `bodies` read what a caller sent; `views` writes
values as JSON; the blueprints (`health`, `jobs`, `runs`, `bundle`, `schedule`, `page`) hold the routes.
Nothing here decides anything about jobs: a view reads the store or makes one call to the process's Sauron.
"""
