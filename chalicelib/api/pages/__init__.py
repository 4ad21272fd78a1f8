"""The pages for people, and their forms."""

from . import audit, forms, job, jobs, overview, runs, settings, sign_in

MODULES = (overview, jobs, job, runs, audit, settings, forms, sign_in)
