"""The pages for people, and their forms."""

from . import (
    audit,
    bulk,
    bundle,
    bundle_acts,
    job,
    job_acts,
    jobs,
    overview,
    run_acts,
    runs,
    settings,
    sign_in,
)

MODULES = (
    overview,
    jobs,
    job,
    runs,
    bundle,
    audit,
    settings,
    job_acts,
    run_acts,
    bundle_acts,
    bulk,
    sign_in,
)
