"""The image, built from the real Dockerfile without an engine and without an image from elsewhere.

A bare Debian with Python stands in for the Dockerfile's base. Images and containers lie in a folder of the
test run, so that no storage of this machine is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib import __version__

ROOT = Path(__file__).resolve().parents[2]
BASE = "python:3.11-slim"
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Image:
    """A built image, unpacked, and what its Dockerfile says about running it."""

    root: Path
    said: str  # what `make image` printed
    uid: int
    gid: int
    environ: dict[str, str]
    argv: list[str]
    workdir: str
    healthcheck: list[str]


class Workshop:
    """A folder in which images are built; it is removed with everything in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "{storage_driver(folder)}"\n'
            f'graphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'
        )
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(folder),
        }

    def run(self, *argv: str) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            argv, cwd=ROOT, env=self._environ, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout.strip()

    def make_base(self) -> None:
        """Commit a bare Debian with Python under the name that the Dockerfile begins with."""
        start = time.monotonic()
        container = self.run("buildah", "from", "scratch")
        root = Path(self.run("buildah", "mount", container))
        options = ["--quiet", "--mode=root", "--variant=apt", f"--include={PACKAGES}"]
        try:
            self.run("mmdebstrap", *options, '--aptopt=Acquire::Languages "none"', "bookworm", str(root))
        except AssertionError as error:  # nothing of ours is in it
            pytest.skip(f"a bare Debian cannot be made here: {str(error).splitlines()[-1]}")
        # pip inside trusts what this machine trusts, such as the certificate of a proxy.
        shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)
        (root / "etc/pip.conf").write_text(f"[global]\ncert = /{CERTIFICATES}\n")
        self.run("buildah", "commit", "--quiet", "--rm", container, BASE)
        print(f"\nimage: the base took {time.monotonic() - start:.0f} s")

    def make_image(self) -> Image:
        """Let `make image` build, and unpack the image."""
        start = time.monotonic()
        said = self.run("make", "image", "BUILDER=buildah", "ARGS=--pull-never --network host")
        name = f"sauron:{__version__}"
        root = Path(self.run("buildah", "mount", self.run("buildah", "from", "--pull-never", name)))
        config = json.loads(self.run("buildah", "inspect", "--type", "image", name))["Docker"]["config"]
        users = (line.split(":") for line in (root / "etc/passwd").read_text().splitlines())
        uid, gid = next((int(row[2]), int(row[3])) for row in users if row[0] == config["User"])
        print(f"image: {name} took {time.monotonic() - start:.0f} s")
        return Image(
            root,
            said,
            uid,
            gid,
            environ=dict(pair.split("=", 1) for pair in config["Env"]),
            argv=[*config["Entrypoint"], *config["Cmd"]],
            workdir=config["WorkingDir"],
            healthcheck=config["Healthcheck"]["Test"],
        )

    def close(self) -> None:
        """Remove the folder, its mounts first."""
        mounted = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
        for place in sorted((one for one in mounted if one.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(self.folder)


def storage_driver(folder: Path) -> str:
    """Return `overlay` where the kernel lets us mount one, or else `vfs`, which copies every layer."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / "try" / name).mkdir(parents=True)
    options = f"lowerdir={folder}/try/lower,upperdir={folder}/try/upper,workdir={folder}/try/work"
    place = str(folder / "try/merged")
    mounted = subprocess.run(
        ["mount", "-t", "overlay", "-o", options, "overlay", place], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        subprocess.run(["umount", place], check=True)
    shutil.rmtree(folder / "try")
    return "vfs" if mounted.returncode else "overlay"


def missing() -> str | None:
    """Return why the image cannot be built on this machine, or None."""
    if os.getuid() != 0:
        return "building and running the image without an engine needs root"
    for tool in ("buildah", "mmdebstrap", "unshare", "nsenter"):
        if not shutil.which(tool):
            return f"building and running the image without an engine needs {tool}"
    allowed = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        check=False,
    )
    return None if allowed.returncode == 0 else "this machine does not let root mount"
