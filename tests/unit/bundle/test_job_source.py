from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.bundle.job_source import MOST_LINES, JobSource, job_source

SHA = "a" * 40
REPORT = """import os


def helper():
    return 1


@os.register
def run(ctx):
    # <b>bold</b>
    return helper()


class Job:
    async def go(self):
        return 2
"""
MANIFEST = """register(
    id="report",
    command=["df", "-h"],
)
register(id="quick", func=lambda: 1)
if True:
    register(id="inner",
             func=lambda: 2)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of checkouts with one revision."""
    folder = tmp_path / "revisions" / SHA
    (folder / "jobs" / "deep").mkdir(parents=True)
    (folder / "jobs" / "report.py").write_text(REPORT)
    (folder / "jobs" / "deep" / "__init__.py").write_text("def run():\n    pass\n")
    (folder / "jobs" / "broken.py").write_text("def run(:\n")
    (folder / "jobs" / "large.py").write_text("def run():\n" + "    x = 1\n" * 500)
    (folder / "manifest.py").write_text(MANIFEST)
    (tmp_path / "secret.py").write_text("def run():\n    return 'secret'\n")
    (folder / "jobs" / "leads_out.py").symlink_to(tmp_path / "secret.py")
    return tmp_path


@pytest.mark.parametrize(
    ("entrypoint", "place", "expected"),
    [
        (
            "jobs.report:run",
            "manifest.py:1",
            ("jobs/report.py", 8, "@os.register\ndef run(ctx):\n    # <b>bold</b>\n    return helper()"),
        ),
        ("jobs.report:Job.go", "?", ("jobs/report.py", 15, "    async def go(self):\n        return 2")),
        ("jobs.deep:run", "?", ("jobs/deep/__init__.py", 1, "def run():\n    pass")),
        (
            "command: df -h",
            "manifest.py:1",
            ("manifest.py", 1, 'register(\n    id="report",\n    command=["df", "-h"],\n)'),
        ),
        ("manifest:<lambda>", "manifest.py:5", ("manifest.py", 5, 'register(id="quick", func=lambda: 1)')),
        (
            "manifest:<lambda>",
            "manifest.py:8",
            ("manifest.py", 7, '    register(id="inner",\n             func=lambda: 2)'),
        ),
        # what is not found where it should be is shown by its definition
        ("os.path:join", "manifest.py:5", ("manifest.py", 5, 'register(id="quick", func=lambda: 1)')),
        ("jobs.broken:run", "manifest.py:5", ("manifest.py", 5, 'register(id="quick", func=lambda: 1)')),
        ("jobs.report:gone", "?", None),
        ("jobs.leads_out:run", "?", None),
        ("..secret:run", "../../secret.py:1", None),
        ("/etc/passwd:run", "/etc/passwd:1", None),
        ("jobs.report:\0", "\0:1", None),
    ],
)
def test_the_code_of_a_job_is_found_in_its_revision(
    root: Path, entrypoint: str, place: str, expected: tuple[str, int, str] | None
) -> None:
    found = job_source(root, None, SHA, entrypoint, place)
    assert found == (JobSource(*expected) if expected else None)


def test_long_code_is_cut_and_says_by_how_much(root: Path) -> None:
    found = job_source(root, None, SHA, "jobs.large:run", "?")
    assert found
    assert (len(found.text.splitlines()), found.more) == (MOST_LINES, 501 - MOST_LINES)


def test_a_bundle_may_lie_in_a_folder_of_its_repository(root: Path) -> None:
    found = job_source(root, "jobs", SHA, "report:helper", "?")
    assert found == JobSource("report.py", 4, "def helper():\n    return 1")


def test_a_revision_that_is_not_checked_out_has_no_code_here(root: Path) -> None:
    assert job_source(root, None, "b" * 40, "jobs.report:run", "manifest.py:1") is None
    assert job_source(root, None, "../..", "secret:run", "secret.py:1") is None
