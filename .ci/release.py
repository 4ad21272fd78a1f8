#!/usr/bin/env python3
"""Check that a release is consistent, then create its annotated tag: `make release`.

    1. the working tree is clean
    2. CHANGELOG.md has nothing under Unreleased, and its newest version has a date
    3. that version is `chalicelib.__version__`
    4. its tag, v<version>, does not exist yet
    5. create the tag

Nothing is pushed. All faults are reported at once; with a fault no tag is created and the exit code is 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

UNRELEASED = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
RELEASED = re.compile(r"^## \[(\d+\.\d+\.\d+)\](.*)$", re.MULTILINE)
VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


def git(root: Path, *arguments: str) -> str:
    """Run git in the checkout and return its output."""
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def faults(root: Path) -> tuple[str, list[str]]:
    """Return the version of the code, and what keeps it from being released."""
    found = []
    if git(root, "status", "--porcelain"):
        found.append("The working tree has changes. Commit or remove them.")
    version = VERSION.search((root / "chalicelib/__init__.py").read_text(encoding="utf-8"))
    number = version[1] if version else ""
    if not number:
        found.append('chalicelib/__init__.py has no __version__. Write for example __version__ = "3.1.0".')
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = UNRELEASED.search(changelog)
    if unreleased and unreleased[1].strip():
        found.append("CHANGELOG.md has entries under Unreleased. Move them under the new version.")
    newest = RELEASED.search(changelog)
    if newest is None:
        found.append("CHANGELOG.md names no version. Write for example ## [3.1.0] - 2027-01-31.")
    elif not re.fullmatch(r" - \d{4}-\d{2}-\d{2}", newest[2]):
        found.append(f"CHANGELOG.md gives no date for {newest[1]}. Write ## [{newest[1]}] - YYYY-MM-DD.")
    if newest and number and newest[1] != number:
        found.append(
            f"CHANGELOG.md's newest version is {newest[1]}, and chalicelib.__version__ is {number}. "
            "Set both to the same version."
        )
    if number and git(root, "tag", "--list", f"v{number}"):
        found.append(f"The tag v{number} exists already. Raise the version.")
    return number, found


def main(root: Path) -> int:
    """Check and tag; return the exit code."""
    version, found = faults(root)
    for fault in found:
        sys.stderr.write(f"release: {fault}\n")
    if found:
        return 1
    git(root, "tag", "--annotate", f"v{version}", "--message", f"Sauron {version}")
    sys.stdout.write(f"Created the tag v{version}. To publish it: git push origin v{version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
