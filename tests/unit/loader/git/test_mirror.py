"""After any crash, and with any company, the mirror and the checkouts are complete or made again."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError
from sauron_jobs_loader.git.source import GitSource
from tests.git_servers import BundleRepository
from tests.unit.loader.git.sources import Kind, files_below, source_of, start_sync

pytestmark = pytest.mark.process


def test_a_changed_address_replaces_the_mirror_once_the_new_one_is_complete(
    bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    old = source_of(bundle, root).fetch()
    with pytest.raises(SourceError):
        GitSource(str(tmp_path / "nowhere"), root=root).fetch()
    assert source_of(bundle, root).fetch(old) == old
    other = BundleRepository.create(tmp_path / "other")
    new = other.commit({"manifest.py": "other\n"})
    source = source_of(other, root)
    assert source.fetch() == new
    with pytest.raises(SourceError, match=f"no commit {old}"):
        source.fetch(old)
    assert sorted(entry.name for entry in root.iterdir()) == ["mirror.git", "mirror.lock"]


def test_kills_at_many_moments_leave_what_the_next_sync_completes(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    bundle.commit({f"data/{number}.txt": f"{number}\n" * 50 for number in range(300)})
    expected = 302
    for step in range(12):
        bundle.commit({"manifest.py": f"{step}\n"})
        with start_sync(str(bundle.path), root, kind) as syncing:
            assert syncing.stdout is not None
            syncing.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                syncing.wait(0.02 + 0.03 * step)
            syncing.send_signal(signal.SIGKILL)
        for folder in (root / "revisions").glob("?" * 40):
            assert len(files_below(folder)) == expected
    source = source_of(bundle, root, kind)
    assert len(files_below(source.checkout(source.fetch()))) == expected


def test_lock_files_and_half_packs_of_killed_gits_are_swept_away(
    bundle: BundleRepository, root: Path
) -> None:
    source = source_of(bundle, root)
    source.fetch()
    mirror = root / "mirror.git"
    for name in (
        "packed-refs.lock",
        "config.lock",
        "HEAD.lock",
        "refs/heads/main.lock",
        "objects/pack/tmp_pack_x",
    ):
        (mirror / name).write_text("left behind")
    for name in ("mirror.git.1.tmp", "mirror.git.2.old"):
        (root / name).mkdir()
    kept = mirror.stat().st_ino
    sha = bundle.commit({"manifest.py": "two\n"})
    assert source.fetch() == sha
    assert mirror.stat().st_ino == kept
    assert not list(mirror.rglob("*.lock"))
    assert not list(mirror.rglob("tmp_*"))
    assert sorted(entry.name for entry in root.iterdir()) == ["mirror.git", "mirror.lock"]


def without_head(mirror: Path) -> None:
    (mirror / "HEAD").unlink()


def with_a_broken_config(mirror: Path) -> None:
    (mirror / "config").write_text("[broken")


def with_an_empty_ref(mirror: Path) -> None:
    (mirror / "refs/heads/main").write_text("")


def without_refs(mirror: Path) -> None:
    shutil.rmtree(mirror / "refs")


def without_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")


def with_emptied_objects(mirror: Path) -> None:
    for file in (mirror / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(b"")


def as_an_empty_folder(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.mkdir()


def as_a_file(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.write_text("a file")


@pytest.mark.parametrize(
    "damage",
    [
        without_head,
        with_a_broken_config,
        with_an_empty_ref,
        without_refs,
        without_objects,
        with_emptied_objects,
        as_an_empty_folder,
        as_a_file,
    ],
)
def test_a_damaged_mirror_is_replaced(
    damage: Callable[[Path], None], bundle: BundleRepository, root: Path
) -> None:
    source = source_of(bundle, root)
    source.fetch()
    damage(root / "mirror.git")
    sha = bundle.head()
    assert source.fetch() == sha
    assert (source.checkout(sha) / "manifest.py").read_text() == "one\n"
    assert source.fetch() == sha


def test_one_unreadable_file_in_the_mirror_is_fetched_again(bundle: BundleRepository, root: Path) -> None:
    source = source_of(bundle, root)
    sha = source.fetch()
    blob = bundle.git("rev-parse", "HEAD:jobs/report.py")
    (root / "mirror.git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert (source.checkout(sha) / "jobs/report.py").read_text() == "run = 1\n"


def test_two_processes_syncing_at_once_are_harmless(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    bundle.commit({f"data/{number}.txt": f"{number}\n" for number in range(200)})
    for step in range(3):
        sha = bundle.commit({"manifest.py": f"{step}\n"})
        with (
            start_sync(str(bundle.path), root, kind) as one,
            start_sync(str(bundle.path), root, kind) as other,
        ):
            for process in (one, other):
                printed, _ = process.communicate(timeout=60)
                assert process.returncode == 0
                assert printed.split("\n")[1] == str(root / "revisions" / sha)
        assert len(files_below(root / "revisions" / sha)) == 202
    assert all(len(entry.name) == 40 for entry in (root / "revisions").iterdir())


def test_threads_checking_out_one_revision_get_one_complete_folder(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    sha = bundle.commit({f"data/{number}.txt": f"{number}\n" for number in range(100)})
    with ThreadPoolExecutor(6) as pool:
        folders = set(pool.map(lambda _: source_of(bundle, root, kind).checkout(sha), range(6)))
    assert folders == {root / "revisions" / sha}
    assert [entry.name for entry in (root / "revisions").iterdir()] == [sha]
