"""What the environments of bundles say when files belong to another user."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sauron_jobs_loader.environment.environments import Environments, RequirementsError
from sauron_jobs_loader.errors import SourceError
from tests.other_user import as_user
from tests.wheels import require

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of another user"),
]
ME = 10001


def asked(root: Path, bundle: Path) -> str:
    """What another user is told whose bundle needs an environment; nothing if it is made."""

    def act() -> str:
        try:
            Environments(root, environ={"PATH": os.environ["PATH"], "HOME": str(root)}).python(bundle)
        except (RequirementsError, SourceError) as error:
            return str(error)
        return ""

    return as_user(ME, root.parent, act, programs=True)


def the_folder(root: Path, bundle: Path) -> Path:
    os.chown(root, 0, 0)
    root.chmod(0o755)
    return root


def its_log(root: Path, bundle: Path) -> Path:
    log = Environments(root, environ={}).log_file(bundle)
    assert log
    log.touch(mode=0o600)
    return log


@pytest.mark.parametrize("spoil", [the_folder, its_log])
def test_files_of_root_are_named_with_a_line_that_cures_them(
    tmp_path: Path, spoil: Callable[[Path, Path], Path]
) -> None:
    bundle = require(tmp_path / "bundle", "# nothing yet")
    root = tmp_path / "environments"
    root.mkdir(mode=0o700)
    os.chown(root, ME, ME)
    at_fault = spoil(root, bundle)
    said = asked(root, bundle)
    assert f"{at_fault} cannot be written by user {ME}:{ME}" in said
    assert "belongs to user root" in said
    assert said.endswith(f"Run as root: chown -R {ME}:{ME} {root}")
    subprocess.run(["chown", "-R", f"{ME}:{ME}", root], check=True)
    assert asked(root, bundle) == ""


def test_a_closed_file_of_the_bundle_is_named_as_one_that_cannot_be_read(tmp_path: Path) -> None:
    bundle = require(tmp_path / "bundle", "# nothing yet")
    (bundle / "requirements.txt").chmod(0o600)
    root = tmp_path / "environments"
    said = asked(root, bundle)
    assert f"{bundle / 'requirements.txt'} cannot be read by user {ME}:{ME}" in said
    line = shlex.split(said.partition("Run as root: ")[2])
    assert line == ["chmod", "-R", "o+rX", str(bundle)]


def test_an_unfinished_environment_of_root_is_named_with_its_cure(tmp_path: Path) -> None:
    bundle = require(tmp_path / "bundle", "# nothing yet")
    root = tmp_path / "environments"
    root.mkdir()
    os.chown(root, ME, ME)
    key = Environments(root, environ={}).key(bundle)
    (root / str(key)).mkdir()
    root.chmod(0o1755)  # here a folder is renamed by its owner alone
    os.chown(root, 0, ME)
    root.chmod(0o1775)
    said = asked(root, bundle)
    assert f"{root / str(key)} cannot be written by user {ME}:{ME}" in said
    assert said.endswith(f"Run as root: chown -R {ME}:{ME} {root / str(key)}")
