"""Which files are deployed: a clean copy of the checkout with the stage's configuration, and its digest.

Chalice deploys every file it finds, caches included, so it gets a copy and never the checkout. Policies are
limited to this account (`policies`) before they are copied and before they count in the digest. Chalice keeps
the packages it downloaded beside the copy and finds them again by the digest of the requirements.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.errors import SauronError

from . import policies
from .cloud import Cloud
from .names import HANDLERS, Names

FOLDERS = ("chalicelib", "sauron_jobs_loader")
FILES = ("app.py", "requirements.txt", ".chalice/config.json")
PACKAGES_KEPT = 4
NEWER_LINUX = (3, 12)  # the first Python that Lambda runs on Amazon Linux 2023


def checkout() -> Path:
    """Return the checkout that this code runs from. Raises SauronError if it runs from anything else."""
    import chalicelib

    root = Path(chalicelib.__file__).resolve().parents[1]
    if (
        not all((root / file).is_file() for file in FILES)
        or not (root / "vendor/sauron_jobs_loader").is_symlink()
    ):
        raise SauronError(
            f"This Sauron runs from {root}, which is not a checkout, and only a checkout can be deployed. "
            "Clone the repository, and run there: make install && .venv/bin/sauron aws up"
        )
    return root


def about_python(version: tuple[int, int]) -> list[str]:
    """Return what to know of the Python that deploys: the functions get the same one."""
    if version >= NEWER_LINUX:
        return []
    told = (
        f"The functions get the Python that deploys, {version[0]}.{version[1]}: the last one on Amazon "
        "Linux 2, which AWS gives up. For a newer one run in a fresh clone: make install PYTHON=python3.13"
    )
    return [told]


def config(root: Path, stage: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return one stage's configuration with these variables. Raises SauronError for an unknown stage."""
    written: dict[str, Any] = json.loads((root / ".chalice/config.json").read_text(encoding="utf-8"))
    stages = written["stages"]
    if stage not in stages:
        known = ", ".join(stages)
        raise SauronError(
            f"There is no stage {stage!r} in .chalice/config.json, only {known}. "
            "Name one of these, or add the stage to the file."
        )
    ours = stages[stage]
    ours["environment_variables"] = ours.get("environment_variables", {}) | dict(variables)
    functions = ours.setdefault("lambda_functions", {})
    for handler in HANDLERS:
        own = functions.setdefault(handler, {}).setdefault("environment_variables", {})
        own["SAURON_SSM_PATH"] = ",".join(Names(stage).readable(handler))
    return written | {"stages": {stage: ours}}


def digest(root: Path, config: Mapping[str, Any], cloud: Cloud) -> str:
    """Return a digest of everything that is deployed; policies count in their limited form."""
    total = hashlib.sha256(json.dumps([sys.version_info[:2], config], sort_keys=True).encode())
    for file in sorted(_shipped(root)):
        data = (
            policies.narrowed(file.read_text("utf-8"), cloud, policies.mail_of(config)).encode()
            if _is_policy(file)
            else file.read_bytes()
        )
        total.update(f"{file.relative_to(root)} {len(data)}\n".encode())
        total.update(data)
    return total.hexdigest()[:12]


def copy(root: Path, stage: str, config: Mapping[str, Any], cloud: Cloud) -> Path:
    """Write the clean copy and return its folder. Chalice's records of the deployment go to the checkout."""
    folder = root / "build/aws" / stage
    kept = folder / ".chalice/deployments"
    for old in folder.iterdir() if folder.is_dir() else ():
        if old.name != ".chalice":
            _delete(old)
    _forget_old(kept)
    folder.mkdir(parents=True, exist_ok=True)
    mail = policies.mail_of(config)
    for file in _shipped(root):
        target = folder / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_policy(file):
            target.write_text(policies.narrowed(file.read_text("utf-8"), cloud, mail), encoding="utf-8")
        else:
            shutil.copy(file, target)
    (folder / "vendor").mkdir()
    (folder / "vendor/sauron_jobs_loader").symlink_to("../sauron_jobs_loader")
    (folder / ".chalice/config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    notes = folder / ".chalice/deployed"
    (root / ".chalice/deployed").mkdir(exist_ok=True)
    if not notes.is_symlink():
        _delete(notes)
        notes.symlink_to(root / ".chalice/deployed")
    return folder


def _shipped(root: Path) -> Iterator[Path]:
    yield root / "app.py"
    yield root / "requirements.txt"
    yield from (root / ".chalice").glob("policy-*.json")
    for name in FOLDERS:
        yield from (
            file
            for file in (root / name).rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
        )


def _is_policy(file: Path) -> bool:
    return file.parent.name == ".chalice"


def _forget_old(folder: Path) -> None:
    """Keep the newest packages. A zip whose writer was killed is deleted: Chalice would use it."""
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime) if folder.is_dir() else []
    for place, file in enumerate(reversed(files)):
        if place >= PACKAGES_KEPT or not zipfile.is_zipfile(file):
            _delete(file)


def _delete(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
