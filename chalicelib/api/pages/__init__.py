"""The pages for people, and their forms."""

from . import audit, events, forms, job, jobs, overview, run, runs, settings, sign_in

MODULES = (overview, jobs, job, runs, run, audit, settings, events, forms, sign_in)
