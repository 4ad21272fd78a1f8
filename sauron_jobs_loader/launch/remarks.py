"""What an author is told about a bundle that loads: what its source says, and what loading it did."""

from __future__ import annotations

from pathlib import Path

from sauron_jobs_loader import source_remarks
from sauron_jobs_loader.process.manifest import MANIFEST
from sauron_jobs_loader.source_remarks import Remark

from .boot import Bundle


def remarks_of(bundle: Bundle, folder: Path) -> list[Remark]:
    """Return the remarks about a bundle that was loaded from `folder`."""
    return [*source_remarks.of(folder, bundle.files), *bundle.remarks, *_of_loading(bundle)]


def sentences(found: list[Remark]) -> list[str]:
    """Return each remark as one line: place, what is there, what to write."""
    return [f"{file}:{line}: {text}. {cure}" for file, line, text, cure in found]


def _of_loading(bundle: Bundle) -> list[Remark]:
    found = []
    if bundle.left_behind:
        left = ", ".join(bundle.left_behind)
        text = f"loading leaves {left} open, so every run starts a fresh interpreter, which is slower"
        found.append((MANIFEST, 1, text, "Open it in the function that uses it."))
    if bundle.printed:
        text = f"loading printed, as it does at every check, sync and start: {bundle.printed}"
        cure = "Move work into the job's function, or below `if __name__ == '__main__':`."
        found.append((MANIFEST, 1, text, cure))
    return found
