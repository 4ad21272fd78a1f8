"""Whether a website answers, and how fast."""

from __future__ import annotations

from pydantic import BaseModel, Field

from sauron_jobs_loader import JobContext
from sauron_jobs_loader.toolkit import http, state


class Params(BaseModel):
    """What a run may be told: `sauron run website --param url=https://www.example.com/`."""

    url: str = "https://www.example.org/"  # write the address of yours
    contains: str = ""
    slow_after_seconds: float = Field(default=2.0, gt=0)


def check(ctx: JobContext) -> dict[str, object]:
    """Return how the website answered: degraded if it was slow, an error if it was wrong."""
    params: Params = ctx.params
    with http.client(timeout_seconds=20, retries=1) as client:
        answer = client.get(params.url)
    seconds = answer.elapsed.total_seconds()
    print(f"{params.url} answered {answer.status_code} after {seconds:.2f} s")
    if state.changed(f"server of {params.url}", answer.headers.get("server")):
        print(f"its server is now {answer.headers.get('server')}")
    if not answer.is_success:
        return {"status": "error", "error": f"{params.url} answered {answer.status_code}"}
    if params.contains not in answer.text:
        return {"status": "error", "error": f"{params.url} does not contain {params.contains!r}"}
    slow = seconds > params.slow_after_seconds
    return {"status": "degraded" if slow else "success", "summary": f"{seconds:.2f} s", "seconds": seconds}
