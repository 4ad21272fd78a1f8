"""A checkout holds exactly the files of its commit, and none that leads out of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from tests.git_servers import BundleRepository
from tests.unit.loader.git.sources import Kind, files_below, source_of

pytestmark = pytest.mark.process


def test_a_checkout_holds_exactly_the_commit(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    bundle.commit({"bin/tool.sh": "#!/bin/sh\n", "nul": b"\0\xff\r\n"})
    (bundle.path / "bin/tool.sh").chmod(0o755)
    sha = bundle.commit()
    source = source_of(bundle, root, kind)
    folder = source.checkout(source.fetch())
    assert folder == root / "revisions" / sha
    assert files_below(folder) == {
        "manifest.py": b"one\n",
        "jobs/report.py": b"run = 1\n",
        "bin/tool.sh": b"#!/bin/sh\n",
        "nul": b"\0\xff\r\n",
    }
    assert os.access(folder / "bin/tool.sh", os.X_OK)
    assert not os.access(folder / "manifest.py", os.X_OK)
    assert [entry.name for entry in folder.parent.iterdir()] == [sha]


def test_files_marked_export_ignore_are_checked_out(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    sha = bundle.commit({".gitattributes": "jobs export-ignore\n*.py export-subst\n"})
    assert (source_of(bundle, root, kind).checkout(sha) / "jobs" / "report.py").exists()


@pytest.mark.parametrize(
    ("links", "named"),
    [
        ({"passwd": "/etc/passwd"}, "passwd"),
        ({"jobs/up": "../../outside"}, "jobs/up"),
        ({"jobs/deep/there": "../..", "detour": "jobs/deep/there/../x"}, "detour"),
        ({"one": "two", "two": ".."}, "one"),
        ({"self": "/proc/self/environ"}, "self"),
    ],
)
def test_a_link_that_leaves_the_tree_refuses_the_revision(
    kind: Kind, links: dict[str, str], named: str, bundle: BundleRepository, root: Path
) -> None:
    for name, target in links.items():
        bundle.link(name, target)
    sha = bundle.commit()
    source = source_of(bundle, root, kind)
    with pytest.raises(SourceError) as caught:
        source.checkout(source.fetch())
    assert repr(named) in str(caught.value)
    assert repr(links[named]) in str(caught.value)
    assert caught.value.fault is SourceFault.UNSAFE_CONTENT
    assert caught.value.ref == sha
    assert list((root / "revisions").iterdir()) == []


def test_links_inside_the_tree_are_kept(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    bundle.link("jobs/manifest.py", "../manifest.py")
    bundle.link("everything", ".")
    bundle.link("dangling", "not-there")
    bundle.link("round", "round")
    folder = source_of(bundle, root, kind).checkout(bundle.commit())
    assert (folder / "jobs/manifest.py").read_text() == "one\n"
    assert (folder / "dangling").is_symlink()


def test_a_submodule_is_neither_fetched_nor_in_the_way(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    (bundle.path / ".gitmodules").write_text('[submodule "x"]\n path = x\n url = ext::touch /nowhere\n')
    bundle.git("update-index", "--add", "--cacheinfo", f"160000,{bundle.head()},x")
    bundle.git("add", ".gitmodules")
    bundle.git("commit", "--quiet", "-m", "with a submodule")
    folder = source_of(bundle, root, kind).checkout(bundle.head())
    assert (folder / "manifest.py").exists()
    assert not (folder / "x").exists() or not list((folder / "x").iterdir())


def test_a_checkout_without_room_is_a_fault_of_the_storage(
    bundle: BundleRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(bundle, root)
    sha = source.fetch()
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\n"
        'case "$*" in checkout-index*)\n'
        '  echo "error: unable to write file x: No space left on device" >&2; exit 128;;\n'
        "esac\n"
        f'exec {shutil.which("git")} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    with pytest.raises(SourceError, match="free some space") as caught:
        source.checkout(sha)
    assert caught.value.fault is SourceFault.STORAGE
    assert list((root / "revisions").iterdir()) == []
