"""What a sync says when files belong to another user: the file at fault, and a line that cures it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.source import GitSource
from tests.git_servers import BundleRepository
from tests.other_user import as_user
from tests.unit.loader.git.sources import Kind

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of another user"),
]
ME = 10001


def given_to(owner: int, place: Path) -> None:
    for path in (place, *place.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


def synced(bundle: BundleRepository, root: Path, kind: Kind = GitSource) -> str:
    """What another user is told who syncs; nothing if it works."""

    def act() -> str:
        os.environ["HOME"] = str(root)
        source = kind(str(bundle.path), root=root)
        try:
            source.checkout(source.fetch())
        except SourceError as error:
            return f"{error.fault}: {error}"
        return ""

    return as_user(ME, root.parent, act, programs=True)


def run_the_line(said: str) -> None:
    found = re.search(r"Run as root: ([^()]*?)( \(git said.*)?$", said)
    assert found, said
    subprocess.run(shlex.split(found[1]), check=True)


@pytest.fixture
def mine(bundle: BundleRepository, root: Path) -> Path:
    """The folder of a user that has synced once; root can do anything in it."""
    root.mkdir()
    os.chown(root, ME, ME)
    assert synced(bundle, root) == ""
    bundle.commit({"manifest.py": "two\n"}, "another")
    return root


def objects(root: Path) -> Path:
    given_to(0, root / "mirror.git" / "objects")
    return root / "mirror.git" / "objects"


def refs(root: Path) -> Path:
    given_to(0, root / "mirror.git" / "refs" / "heads")
    return root / "mirror.git" / "refs" / "heads"


def mirror(root: Path) -> Path:
    given_to(0, root / "mirror.git")
    return root / "mirror.git"


def revisions(root: Path) -> Path:
    given_to(0, root / "revisions")
    (root / "revisions").chmod(0o755)
    return root / "revisions"


@pytest.mark.parametrize("spoil", [objects, mirror, revisions])
def test_files_of_root_are_named_with_the_line_that_cures_them(
    bundle: BundleRepository, mine: Path, spoil: Callable[[Path], Path]
) -> None:
    at_fault = spoil(mine)
    said = synced(bundle, mine)
    assert said.startswith(f"{SourceFault.STORAGE}: ")
    assert f"{at_fault}" in said
    assert re.search(rf"(written|read) by user {ME}:{ME} .*belongs to user root", said)
    assert f"chown -R {ME}:{ME} {shlex.quote(str(mine))}" in said
    run_the_line(said)
    assert synced(bundle, mine) == ""


def test_a_mirror_whose_refs_are_of_root_is_replaced(bundle: BundleRepository, mine: Path) -> None:
    refs(mine)
    assert synced(bundle, mine) == ""


@pytest.mark.parametrize("closed", [".git", ".git/objects", "."])
def test_a_repository_that_cannot_be_read_is_named_with_its_owner(
    kind: Kind, bundle: BundleRepository, root: Path, closed: str
) -> None:
    root.mkdir()
    os.chown(root, ME, ME)
    (bundle.path / "a-link").symlink_to("nowhere")
    (bundle.path / closed).chmod(0o700)
    said = synced(bundle, root, kind)
    assert said.startswith(f"{SourceFault.ACCESS}: ")
    assert f"by user {ME}:{ME}" in said
    assert "belongs to user root" in said
    run_the_line(said)
    assert synced(bundle, root, kind) == ""


def test_an_ssh_key_that_cannot_be_read_is_named_with_its_owner(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    os.chown(root, ME, ME)
    key = tmp_path / "id_ed25519"
    key.touch(mode=0o600)

    def act() -> str:
        with pytest.raises(SourceError) as caught:
            GitSource("ssh://git@127.0.0.1:9/b.git", root=root, ssh_key_file=key).fetch()
        return str(caught.value)

    said = as_user(ME, tmp_path, act, programs=True)
    assert f"{key} cannot be read by user {ME}:{ME}" in said
    assert said.endswith(f"Run as root: chown {ME}:{ME} {key}")
