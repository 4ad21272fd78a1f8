"""The unzipped Lambda zip of `make package` beside what AWS has in its runtime; nothing else is on the path.

Packaging takes ten seconds and the network, so what it made is kept in a folder of this user below the
temporary one, named by a hash of all that goes into it. A kill leaves nothing half-made in use: a folder gets
its name when it is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from sauron_jobs_loader.file_lock import file_lock

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.txt", "requirements-container.txt", "requirements-dev.txt")
KEPT = 3  # packages of earlier states of the tree
PATIENCE = timedelta(minutes=5)
# What the image of AWS's Python runtime holds beside the standard library.
RUNTIME = (
    *("awslambdaric", "simplejson", "snapshot_restore_py.py", "runtime_client.*.so"),
    *("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"),
)


# Programs that its Linux has, for jobs that are commands. There is no git.
PROGRAMS = (
    "bash",
    "cat",
    "cp",
    "echo",
    "env",
    "false",
    "ls",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "sh",
    "sleep",
    "touch",
    "true",
)


@dataclass(frozen=True)
class Package:
    """What is deployed: the unzipped code, its SAM template, the runtime's folder and interpreter."""

    folder: Path

    @property
    def task_root(self) -> Path:
        """Where Lambda unzips to."""
        return self.folder / "task"

    @property
    def zip(self) -> Path:
        """What is uploaded."""
        return self.folder / "deployment.zip"

    @property
    def runtime(self) -> Path:
        """What Lambda puts on the path: its client and boto3."""
        return self.folder / "runtime"

    @property
    def programs(self) -> Path:
        """What PATH leads to."""
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        """An interpreter without packages of its own, whoever starts it and with whatever options."""
        return self.folder / "python/bin/python"

    @functools.cached_property
    def template(self) -> dict[str, Any]:
        """The SAM template: what the functions are called, how long they may take, which routes there are."""
        found: dict[str, Any] = json.loads((self.folder / "sam.json").read_text(encoding="utf-8"))
        return found

    @property
    def python_version(self) -> str:
        """The functions' runtime, such as python3.13."""
        return str(self.template["Resources"]["Work"]["Properties"]["Runtime"])

    def files(self) -> set[str]:
        """Every file of the code: a run adds none."""
        return {str(path.relative_to(self.task_root)) for path in self.task_root.rglob("*") if path.is_file()}


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what git would hold, so that packaging never meets a file that another test is writing."""
    copy = folder / "tree"
    copy.mkdir()
    for name in ("app.py", "Makefile", "pyproject.toml", "README.md", "LICENSE", *LOCKS):
        shutil.copy(ROOT / name, copy)
    for name in ("chalicelib", "sauron_jobs_loader", "vendor", "container", ".chalice"):
        ignored = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    return copy


def _home() -> Path:
    """Return the folder of what is kept, which is this user's alone."""
    home = Path(tempfile.gettempdir()) / f"sauron-lambda-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    assert home.stat().st_uid == os.getuid(), f"{home} belongs to someone else"
    return home


@contextlib.contextmanager
def kept_layers(checkout: Path) -> Iterator[Path]:
    """Name the folder of the layer that is made of a checkout, and let no other process make it meanwhile.

    The layer is packed anew when anything changes that goes into it: requirements, loader, or who packs it.
    """
    made_of = [checkout / "requirements.txt", *sorted((checkout / "sauron_jobs_loader").rglob("*.py"))]
    made_of += sorted((checkout / "container/sauron/aws").glob("*.py"))
    found = hashlib.sha256(f"{sys.version} {metadata.version('chalice')}".encode())
    for path in made_of:
        found.update(f"{path.relative_to(checkout)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    home = _home() / "layers"
    home.mkdir(exist_ok=True)
    with file_lock(home / "lock", timeout=PATIENCE):
        yield home / found.hexdigest()[:24]


def keep(files: Iterable[Path], kept: Path) -> None:
    """Keep files in a folder that has its name when it is whole, and forget what was kept before."""
    for old in kept.parent.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    begun = kept.with_suffix(".begun")
    begun.mkdir()
    for file in files:
        shutil.copy(file, begun)
    begun.rename(kept)


@functools.cache
def package() -> Package:
    """Package this tree or return an earlier package; skip the test if the package index is unreachable."""
    home = _home()
    with file_lock(home / "lock", timeout=PATIENCE), tempfile.TemporaryDirectory(dir=home) as place:
        tree = copy_of_the_tree(Path(place))
        folder = home / _hash(tree)
        if not folder.is_dir():
            _make(tree, Path(place) / "made")
            (Path(place) / "made").rename(folder)
        folder.touch()
        _in_use(folder, fcntl.LOCK_SH)
        _prune(home)
    return Package(folder)


def _in_use(folder: Path, how: int) -> int | None:
    """Lock a package until this process ends and return the descriptor; None if another lock is held."""
    descriptor = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _hash(tree: Path) -> str:
    found = hashlib.sha256(sys.version.encode())
    packs = tree / "container/sauron/aws"
    for path in sorted(
        path
        for path in tree.rglob("*")
        if path.is_file() and ("container" not in path.parts or path.is_relative_to(packs))
    ):
        found.update(f"{path.relative_to(tree)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    found.update("\0".join(RUNTIME + PROGRAMS).encode())
    return found.hexdigest()[:24]


def _make(tree: Path, made: Path) -> None:
    (tree / "chalicelib/__pycache__").mkdir()
    (tree / "chalicelib/__pycache__/stale.pyc").write_bytes(b"what an import leaves behind")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    make = ["make", "-o", "install", "package", f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(make, cwd=tree, env=environ, capture_output=True, text=True, check=False)
    if done.returncode and "No matching distribution" in done.stderr + done.stdout:
        pytest.skip("the package index cannot be reached, and Chalice downloads what it packs")
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tree / "build/lambda/deployment.zip") as opened:
        opened.extractall(made / "task")
    for name in ("deployment.zip", "sam.json"):
        shutil.move(tree / "build/lambda" / name, made)
    installed = Path(pytest.__file__).parents[1]
    (made / "runtime").mkdir()
    for pattern in RUNTIME:
        [found] = installed.glob(pattern)
        (made / "runtime" / found.name).symlink_to(found)
    (made / "bin").mkdir()
    for name in PROGRAMS:
        there = shutil.which(name)
        assert there, name
        (made / "bin" / name).symlink_to(there)
    base = Path(sys.base_prefix) / f"bin/python{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run(
        [base, "-I", "-m", "venv", "--without-pip", "--symlinks", made / "python"],
        check=True,
        capture_output=True,
    )


def _prune(home: Path) -> None:
    """Remove packages of older states of the tree that nobody uses."""
    known = sorted(
        (path for path in home.iterdir() if (path / "sam.json").is_file()),
        key=lambda path: path.stat().st_mtime,
    )
    for old in known[:-KEPT]:
        if (descriptor := _in_use(old, fcntl.LOCK_EX)) is not None:
            shutil.rmtree(old, ignore_errors=True)
            os.close(descriptor)


def empty_zip() -> bytes:
    """Return a zip that holds nothing, for a stand-in that executes no function."""
    made = io.BytesIO()
    zipfile.ZipFile(made, "w").close()
    return made.getvalue()
