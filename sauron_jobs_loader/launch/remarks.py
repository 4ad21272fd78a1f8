"""What an author should know of how a bundle loaded."""

from __future__ import annotations

from sauron_jobs_loader.checks.remark import Remark
from sauron_jobs_loader.process.manifest import MANIFEST

from .boot import Bundle


def of_loading(bundle: Bundle) -> list[Remark]:
    """Return the remarks about a bundle's definitions, and about what loading it left open and printed."""
    found = list(bundle.remarks)
    if bundle.left_behind:
        left = ", ".join(bundle.left_behind)
        text = f"loading leaves {left} open, so every run starts a fresh interpreter, which is slower"
        found.append(Remark(MANIFEST, None, text, "open it in the function that uses it"))
    if bundle.printed:
        text = f"loading printed, as it does at every check, sync and start: {bundle.printed}"
        cure = "move work into the job's function, or below `if __name__ == '__main__':`"
        found.append(Remark(MANIFEST, None, text, cure))
    return found
