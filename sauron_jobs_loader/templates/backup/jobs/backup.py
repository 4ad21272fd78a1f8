"""Dated archives of one folder: made at night, read to their end in the morning."""

from __future__ import annotations

import gzip
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, Field

from sauron_jobs_loader import JobContext
from sauron_jobs_loader.toolkit import progress


class Params(BaseModel):
    """What a run may be told: `sauron run backup --param source=/srv/photos`."""

    source: Path = Path()  # the folder of this bundle; write what you want to keep
    target: Path = Path("/tmp/backups")  # noqa: S108 - choose a folder on another disk
    keep: int = Field(default=7, ge=1)


def make(ctx: JobContext) -> dict[str, object]:
    """Pack the source, then delete the oldest archives. A second try of a run writes the same file anew."""
    params: Params = ctx.params
    params.target.mkdir(parents=True, exist_ok=True)
    archive = params.target / f"{ctx.scheduled_for:%Y-%m-%dT%H%M%S}.tar.gz"
    unfinished = archive.with_suffix(".part")
    files = sorted(file for file in params.source.rglob("*") if file.is_file())
    with tarfile.open(unfinished, "w:gz") as packed:
        for file in progress.track(files, note=lambda file: file.name):
            packed.add(file, arcname=file.relative_to(params.source))
    unfinished.rename(archive)  # an archive has its name only once it is whole
    old = archives(params.target)[params.keep :]
    for file in old:
        file.unlink()
    size = archive.stat().st_size
    print(f"packed {len(files)} files into {archive} ({size} bytes), deleted {len(old)}")
    return {"status": "success", "summary": f"{len(files)} files, {size} bytes", "archive": str(archive)}


def check(ctx: JobContext) -> dict[str, object]:
    """Read the newest archive to its end."""
    params: Params = ctx.params
    found = archives(params.target)
    if not found:
        return {"status": "error", "error": f"there is no archive in {params.target}"}
    age = datetime.now(UTC) - datetime.fromtimestamp(found[0].stat().st_mtime, UTC)
    with gzip.open(found[0]) as packed:
        while packed.read(2**20):  # fails where the archive is cut off or was changed
            pass
    if age > timedelta(days=2):
        return {"status": "error", "error": f"the newest archive, {found[0]}, is {age.days} days old"}
    return {"status": "success", "summary": f"{found[0].name} is whole"}


def archives(folder: Path) -> list[Path]:
    """Return the archives in a folder, the newest first."""
    return sorted(folder.glob("*.tar.gz"), reverse=True)
