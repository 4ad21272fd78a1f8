"""Where git's search ends, asked of git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sauron_jobs_loader.process import surroundings

SHA = "d" * 40
PLAIN = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def finds_repository(cwd: Path, environ: dict[str, str]) -> bool:
    done = subprocess.run(["git", "rev-parse"], cwd=cwd, env=environ, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.process
@pytest.mark.parametrize("subdir", ["", "ops", "ops/sauron", "revisions/ops"])
def test_git_finds_no_repository_around_the_jobs_folder_from_anywhere_in_a_revision(
    tmp_path: Path, subdir: str
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True, env=PLAIN)
    revisions = tmp_path / "jobs" / "revisions"
    bundle = revisions / SHA / subdir
    (bundle / "data").mkdir(parents=True)
    (bundle / "clone").mkdir()
    subprocess.run(["git", "init", "-q", bundle / "clone"], check=True, env=PLAIN)
    environ = dict(PLAIN)
    surroundings.settle(environ, str(bundle))
    surroundings.settle(environ, str(bundle))  # the zygote's, and then the attempt's
    assert finds_repository(bundle, PLAIN)
    places = [bundle / "data", bundle, *bundle.parents[: len(Path(subdir).parts) + 1]]
    assert revisions in places
    assert [place for place in places if finds_repository(place, environ)] == []
    assert finds_repository(bundle / "clone", environ)
