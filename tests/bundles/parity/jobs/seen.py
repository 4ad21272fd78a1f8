"""Jobs that show what a job is given."""

import base64
import os

from sauron_jobs_loader import JobContext


def hello():
    print("hello from", os.environ["SAURON_RUN_ID"])
    return {"status": "success", "summary": "said"}


def greet(ctx: JobContext):
    for _ in range(ctx.params.get("times", 1)):
        print("good day,", ctx.params["name"])


def counts(ctx: JobContext):
    ctx.state["count"] = ctx.state.get("count", 0) + 1
    return {"count": ctx.state["count"]}


def environ():
    print(*sorted(os.environ), sep="\n")


def secretive(ctx: JobContext):
    token = ctx.require_secret("PARITY_TOKEN")
    print("plain", token)
    print("base64", base64.b64encode(token.encode()).decode())
    raise RuntimeError(f"raised with {token}")
