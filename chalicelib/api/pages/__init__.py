"""The pages for people, and their forms."""

from . import audit, events, forms, job, jobs, overview, run, runs

MODULES = (overview, jobs, job, runs, run, audit, events, forms)
