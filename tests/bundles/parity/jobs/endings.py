"""Jobs that end in every way."""

import os

from sauron_jobs_loader import JobContext


def degraded():
    return {"status": "partial", "summary": "half of it"}


def says_failed():
    return {"status": "failed", "error": "it said so"}


def raises():
    print("before the end")
    raise ValueError("it was not meant to be")


def leaves():
    os._exit(0)


def flaky(ctx: JobContext):
    print("attempt", ctx.attempt)
    if ctx.attempt < 3:
        raise ConnectionError("not yet")
