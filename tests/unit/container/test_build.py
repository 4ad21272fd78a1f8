"""`make image` chooses a builder; tests/image has a real one build."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from chalicelib import __version__

pytestmark = pytest.mark.process

BUILD = Path(__file__).resolve().parents[3] / "container/build.sh"
STOPPED = "exit 1"
WORKING = 'echo "$(basename "$0") $*"'


def build(tools: Path, *arguments: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run the script on a machine that has these builders and no others."""
    tools.mkdir()
    for name in ("dirname", "sed", "basename"):
        (tools / name).symlink_to(Path("/usr/bin") / name)
    for name, body in programs.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(BUILD), *arguments],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_without_a_builder_it_says_what_to_start_or_install(tmp_path: Path) -> None:
    ended = build(tmp_path / "bin", docker=STOPPED)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "of docker, podman and buildah none works here" in ended.stderr
    assert "apt-get install buildah" in ended.stderr


def test_docker_without_its_engine_gives_way_to_the_next(tmp_path: Path) -> None:
    ended = build(tmp_path / "bin", "--no-cache", docker=STOPPED, podman=WORKING, buildah=WORKING)
    assert ended.returncode == 0, ended.stderr
    image = f"sauron:{__version__}"
    assert (
        f"podman build --format docker --no-cache --tag {image} --file container/Dockerfile ." in ended.stdout
    )
    assert ended.stdout.splitlines()[-1].endswith(f" --volume sauron-data:/data {image}")


def test_docker_is_first_and_needs_no_format(tmp_path: Path) -> None:
    ended = build(tmp_path / "bin", docker=WORKING, podman=WORKING)
    assert f"docker build --tag sauron:{__version__} --file" in ended.stdout
