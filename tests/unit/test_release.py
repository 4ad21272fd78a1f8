"""`make release` tags only what agrees: version, changelog, tag and tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).parents[2] / ".ci/release.py"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n{unreleased}\n## [{version}]{date}\n\n- A change.\n"
AUTHOR = ("-c", "user.name=A", "-c", "user.email=a@example.org")


class Checkout:
    """A small repository with a version and a changelog."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "chalicelib").mkdir(parents=True)
        self.git("init", "--quiet", "-b", "main")
        self.git("config", "user.name", "A")
        self.git("config", "user.email", "a@example.org")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.folder, *AUTHOR, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(
        self,
        *,
        version: str = "3.1.0",
        newest: str = "3.1.0",
        date: str = " - 2027-01-31",
        unreleased: str = "",
    ) -> None:
        (self.folder / "chalicelib/__init__.py").write_text(f'__version__ = "{version}"\n')
        text = CHANGELOG.format(version=newest, date=date, unreleased=unreleased)
        (self.folder / "CHANGELOG.md").write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "A version")

    def release(self) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, str(SCRIPT)], cwd=self.folder, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_a_release_that_agrees_gets_an_annotated_tag(checkout: Checkout) -> None:
    checkout.commit()
    assert checkout.release()[0] == 0
    assert checkout.git("cat-file", "-t", "v3.1.0") == "tag"
    assert checkout.git("rev-list", "-n1", "v3.1.0") == checkout.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ({"version": "3.0.0"}, "newest version is 3.1.0, and chalicelib.__version__ is 3.0.0"),
        ({"date": ""}, "no date for 3.1.0"),
        ({"unreleased": "\n- Not released.\n"}, "entries under Unreleased"),
    ],
)
def test_what_does_not_agree_is_named_and_not_tagged(
    checkout: Checkout, state: dict[str, str], fault: str
) -> None:
    checkout.commit(**state)
    code, said = checkout.release()
    assert code == 1
    assert fault in said
    assert checkout.git("tag") == ""


def test_a_tree_with_changes_is_not_tagged(checkout: Checkout) -> None:
    checkout.commit()
    (checkout.folder / "left.txt").write_text("over")
    assert "working tree has changes" in checkout.release()[1]
    assert checkout.git("tag") == ""


def test_a_version_is_tagged_once(checkout: Checkout) -> None:
    checkout.commit()
    checkout.release()
    checkout.commit()
    code, said = checkout.release()
    assert code == 1
    assert "v3.1.0 exists already" in said
