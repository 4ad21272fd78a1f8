"""The pages for people, and their forms."""

from . import audit, forms, job, jobs, overview, runs

MODULES = (overview, jobs, job, runs, audit, forms)
