"""A checkout that is no longer what it was is found, whatever was done to it; a copy of it is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sauron_jobs_loader.git import snapshot
from sauron_jobs_loader.git.snapshot import Altered


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "revisions" / "a"
    (made / "jobs").mkdir(parents=True)
    (made / "manifest.py").write_text("one\n")
    (made / "jobs" / "shared.py").write_text("VALUE = 1\n")
    (made / "jobs" / "link.py").symlink_to("shared.py")
    snapshot.save(tmp_path / "kept.json", made)
    return made


def compared(tree: Path) -> Altered | None:
    return snapshot.compare(tree.parents[1] / "kept.json", tree)


def same_size_and_time(tree: Path) -> None:
    file = tree / "jobs" / "shared.py"
    times = file.stat()
    file.write_text("VALUE = 2\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def relink(tree: Path) -> None:
    (tree / "jobs" / "link.py").unlink()
    (tree / "jobs" / "link.py").symlink_to("../manifest.py")


@pytest.mark.parametrize(
    ("act", "altered", "code"),
    [
        (same_size_and_time, Altered(changed=("jobs/shared.py",)), True),
        (lambda tree: (tree / "manifest.py").unlink(), Altered(changed=("manifest.py",)), True),
        (lambda tree: (tree / "manifest.py").chmod(0o755), Altered(changed=("manifest.py",)), True),
        (relink, Altered(changed=("jobs/link.py",)), True),
        (lambda tree: (tree / "jobs" / "n.txt").write_text("1"), Altered(added=("jobs/n.txt",)), False),
        (lambda tree: (tree / "queue.py").write_text(""), Altered(added=("queue.py",)), True),
        (lambda tree: shutil.rmtree(tree / "jobs"), Altered(("jobs/link.py", "jobs/shared.py")), True),
        (lambda tree: (tree / "a\udcff\n").write_text(""), Altered(added=("a\udcff\n",)), False),
    ],
    ids=["content", "removed", "mode", "link", "data", "module", "folder", "odd name"],
)
def test_each_kind_of_change_is_found(
    tree: Path, act: Callable[[Path], object], altered: Altered, code: bool
) -> None:
    act(tree)
    found = compared(tree)
    assert found == altered
    assert found.code is code


def test_a_copy_of_a_checkout_is_the_same_and_is_read_once(tree: Path) -> None:
    shutil.copytree(tree, tree.with_name("b"), symlinks=True)
    shutil.rmtree(tree)
    tree.with_name("b").rename(tree)
    kept = tree.parents[1] / "kept.json"
    before = kept.read_bytes()
    assert compared(tree) == Altered()
    assert kept.read_bytes() != before
    assert snapshot.compare(kept, tree) == Altered()


def test_what_python_compiled_is_no_difference(tree: Path) -> None:
    (tree / "jobs" / "__pycache__").mkdir()
    (tree / "jobs" / "__pycache__" / "shared.cpython-311.pyc").write_bytes(b"x")
    assert compared(tree) == Altered()


@pytest.mark.parametrize("content", [None, "", "[]", '{"a": []}', '{"a": 1}', '{"a": ["x", "y"]}'])
def test_without_a_readable_snapshot_nothing_is_known(tree: Path, content: str | None) -> None:
    kept = tree.parents[1] / "kept.json"
    kept.unlink()
    if content is not None:
        kept.write_text(content)
    assert compared(tree) is None


def test_a_sentence_names_the_first_files() -> None:
    assert str(Altered(("b", "c"), ("a",))) == "b, c, a"
    assert str(Altered(added=tuple("abcdefg"))) == "a, b, c, d, e and 2 more"
