"""The pages for people, and their forms."""

from . import (
    audit,
    bulk,
    bundle,
    bundle_acts,
    coming,
    events,
    job,
    job_acts,
    jobs,
    overview,
    pause_acts,
    run,
    run_acts,
    runs,
    settings,
    sign_in,
)

MODULES = (
    overview,
    coming,
    jobs,
    job,
    runs,
    run,
    bundle,
    audit,
    settings,
    events,
    job_acts,
    run_acts,
    bundle_acts,
    pause_acts,
    bulk,
    sign_in,
)
