"""The pages for people, and their forms."""

from . import forms, jobs, overview, runs

MODULES = (overview, jobs, runs, forms)
