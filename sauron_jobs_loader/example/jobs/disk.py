"""How full a disk is."""

import shutil

from sauron_jobs_loader import JobContext

# What a trigger may choose, as JSON Schema (a pydantic model does too). A scheduled run takes the defaults.
PARAMS = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "default": "/", "description": "any folder on the disk"},
        "limit_percent": {"type": "number", "minimum": 0, "maximum": 100, "default": 90},
    },
    "additionalProperties": False,
}


def check_disk(ctx: JobContext) -> dict[str, object]:
    """Return the use of the disk, degraded when it is above the limit."""
    path = ctx.params.get("path", "/")
    usage = shutil.disk_usage(path)
    percent = round(100 * usage.used / usage.total, 1)
    before = ctx.state.get("percent")
    ctx.state["percent"] = percent
    print(f"{path} is {percent} % full (last time: {before})")
    said = f"{percent} % full"
    result = {"status": "success", "summary": said, "percent": percent, "free_bytes": usage.free}
    limit = ctx.params.get("limit_percent", 90)
    if percent > limit:
        result |= {"status": "degraded", "error": f"{path} is {said}; the limit is {limit} %"}
    return result
