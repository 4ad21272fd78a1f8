"""The pages for people, and their forms."""

from . import forms, job, jobs, overview, runs

MODULES = (overview, jobs, job, runs, forms)
