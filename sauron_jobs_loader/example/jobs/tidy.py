"""Deletes old files from one folder."""

import time
from pathlib import Path

from sauron_jobs_loader import JobContext

FOLDER = Path("/tmp/downloads")  # noqa: S108 - choose the folder before you enable the job
KEEP_SECONDS = 30 * 86400


def tidy_downloads(ctx: JobContext) -> dict[str, object]:
    """Delete files that were not changed for 30 days."""
    files = [file for file in sorted(FOLDER.glob("*")) if file.is_file()]
    deleted = 0
    for number, file in enumerate(files, start=1):
        if time.time() - file.stat().st_mtime > KEEP_SECONDS:
            ctx.log.info("deleting %s", file)
            file.unlink()
            deleted += 1
        ctx.progress(number / len(files), file.name)
    return {"deleted": deleted, "kept": len(files) - deleted}
