"""How full a disk is."""

from __future__ import annotations

import shutil

from pydantic import BaseModel, Field

from sauron_jobs_loader import JobContext


class Params(BaseModel):
    """What a run may be told: `sauron run disk --param limit_percent=80`."""

    path: str = "/"
    limit_percent: float = Field(default=90, ge=0, le=100)


def check(ctx: JobContext) -> dict[str, object]:
    """Return the use of the disk, degraded when it is above the limit."""
    params: Params = ctx.params
    usage = shutil.disk_usage(params.path)
    percent = round(100 * usage.used / usage.total, 1)
    print(f"{params.path} is {percent} % full, {usage.free // 2**20} MB are free")
    full = percent > params.limit_percent
    return {"status": "degraded" if full else "success", "summary": f"{percent} % full", "percent": percent}
