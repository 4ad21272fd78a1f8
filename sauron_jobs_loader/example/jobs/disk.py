"""How full a disk is."""

import shutil
from pathlib import Path

from pydantic import BaseModel, Field

from sauron_jobs_loader import JobContext


class DiskParams(BaseModel):
    """What a trigger may choose; a scheduled run takes the defaults."""

    path: Path = Path("/")
    limit_percent: float = Field(default=90, ge=0, le=100)


def check_disk(ctx: JobContext) -> dict:
    """Answer the use of the disk, degraded when it is above the limit."""
    usage = shutil.disk_usage(ctx.params.path)
    percent = round(100 * usage.used / usage.total, 1)
    before = ctx.state.get("percent")
    ctx.state["percent"] = percent
    print(f"{ctx.params.path} is {percent} % full (last time: {before})")
    status = "degraded" if percent > ctx.params.limit_percent else "success"
    return {"status": status, "summary": f"{percent} % full", "percent": percent, "free_bytes": usage.free}
