"""How many uploads are stuck? Mailed only when there are more than last time."""

from pathlib import Path

from sauron_jobs_loader import JobContext
from sauron_jobs_loader.toolkit import state
from sauron_jobs_loader.toolkit.email import send_email


def run(ctx: JobContext):
    stuck = sorted(file.name for file in Path(ctx.params["folder"]).glob("*.part"))
    mailed = False
    if state.rose("stuck", len(stuck)):
        mailed = send_email(f"{len(stuck)} uploads are stuck", "\n".join(stuck)) is not None
    return {"stuck": len(stuck), "mailed": mailed}
