"""A revision is what its commit says, whatever its jobs wrote into its folder."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.bundle.revision_folders import PAUSE_SECONDS, SMALL, RevisionFolders
from chalicelib.bundle.revisions import Revisions
from chalicelib.errors import BundleError
from chalicelib.execution.verdict import judge
from chalicelib.model.jobs import JobSpec
from chalicelib.settings import Settings
from sauron_jobs_loader.git.checkouts import Checkouts
from tests.git_servers import BundleRepository
from tests.runs import a_run

pytestmark = pytest.mark.process

MANIFEST = """
import sys
from sauron_jobs_loader import JobConfig, job_registry

def spoil():
    open("jobs/shared.py", "w").write("VALUE = 2001\\n")

def count():
    open("counter.txt", "a").write("1")
    return len(open("counter.txt").read())

def value():
    from jobs.shared import VALUE
    return VALUE

for func in (spoil, count, value):
    job_registry.register(JobConfig(id=func.__name__, cron="@daily", func=func))
job_registry.register(JobConfig(id="command", cron="@daily", command=[sys.executable, "-m", "jobs.shared"]))
"""


class Bundle:
    """One bundle, and loaders of it that share a state folder."""

    def __init__(self, tmp_path: Path) -> None:
        self.repository = BundleRepository.create(tmp_path / "bundle")
        self.state = tmp_path / "state"
        self.sha = self.repository.commit(
            {"manifest.py": MANIFEST, "jobs/shared.py": "VALUE = 3\nprint(VALUE)\n"}
        )
        self.folder = self.state / "revisions" / self.sha
        self._records: dict[str, Any] = {}

    @contextlib.contextmanager
    def runner(self) -> Iterator[Revisions]:
        """Start a runner, which preloads the revision as it does."""
        url = str(self.repository.path)
        settings = Settings.read({"JOBS_DIR": str(self.state), "JOBS_GIT_REPO_URL": url})
        with contextlib.closing(Revisions(settings, JobEnvironment(settings))) as loader:
            loader.fetch(None)
            loader.preload(self.sha)
            self._records = {record["id"]: record for record in loader.load(self.sha).jobs}
            yield loader

    def run(self, loader: Revisions, job_id: str) -> tuple[Any, str]:
        """Run a job; return its result and its log."""
        run = a_run(job_id=job_id, revision=self.sha)
        output: list[bytes] = []
        facts = loader.start(run, JobSpec.from_record(self._records[job_id])).watch(
            timeout=timedelta(seconds=20),
            on_output=output.append,
            on_progress=lambda *_: None,
            on_state=lambda *_: None,
        )
        return judge(facts, timeout=timedelta(seconds=20)).result, b"".join(output).decode()


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


def test_a_job_that_rewrites_its_revision_is_told_and_the_next_run_is_of_the_commit(bundle: Bundle) -> None:
    with bundle.runner() as loader:
        _result, log = bundle.run(loader, "spoil")
        assert (
            "[sauron] This run, or one beside it, wrote into the files of its revision: jobs/shared.py."
            in log
        )
        assert "Keep data in ctx.state, or in a folder outside of the bundle." in log
        assert bundle.run(loader, "value") == (3, "3\n")
        assert bundle.run(loader, "command") == (None, "3\n")


def test_a_revision_that_was_rewritten_while_no_runner_ran_is_made_anew(bundle: Bundle) -> None:
    with bundle.runner() as loader:
        assert bundle.run(loader, "value")[0] == 3
    (bundle.folder / "jobs" / "shared.py").write_text("VALUE = 7\n")
    (bundle.folder / "jobs" / "__init__.py").write_text("import sys\n")
    with bundle.runner() as loader:
        assert bundle.run(loader, "value")[0] == 3
    assert not (bundle.folder / "jobs" / "__init__.py").exists()


def test_a_file_beside_the_code_is_named_in_the_log_and_gone_with_the_next_runner(bundle: Bundle) -> None:
    with bundle.runner() as loader:
        result, log = bundle.run(loader, "count")
        assert (result, "its revision: counter.txt." in log) == (1, True)
        assert bundle.run(loader, "value") == (3, "3\n")  # it was told once
        assert bundle.run(loader, "count")[0] == 2
    with bundle.runner() as loader:
        assert bundle.run(loader, "count")[0] == 1


def test_data_that_is_deleted_with_its_revision_is_named_in_the_log(
    bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    with bundle.runner() as loader:
        bundle.run(loader, "count")
        loader.retire([])
    assert not bundle.folder.exists()
    assert "revision.files_deleted" in "".join(capfd.readouterr())


def test_a_revision_that_was_rewritten_and_cannot_be_made_anew_is_refused(bundle: Bundle) -> None:
    with bundle.runner() as loader:
        bundle.run(loader, "spoil")
        shutil.rmtree(bundle.repository.path)
        shutil.rmtree(bundle.state / "mirror.git")
        with pytest.raises(BundleError, match=r"changed since it was checked out \(jobs/shared.py\)"):
            bundle.run(loader, "value")


def test_a_checkout_of_an_earlier_version_is_kept_if_its_commit_is_gone(bundle: Bundle) -> None:
    with bundle.runner():
        pass
    shutil.rmtree(bundle.state / "snapshots")
    folders = RevisionFolders(Checkouts(bundle.state), lambda: None)
    assert folders.path(bundle.sha) == bundle.folder
    assert folders.after_attempt(bundle.sha) is None
    assert (bundle.state / "snapshots" / f"{bundle.sha}.json").is_file()


def test_a_large_folder_is_looked_at_now_and_then(tmp_path: Path) -> None:
    sha, time = "a" * 40, [100.0]
    checkouts = Checkouts(tmp_path)
    folder = checkouts.folder / sha
    folder.mkdir(parents=True)
    for number in range(SMALL + 1):
        (folder / f"{number}.txt").write_text("")
    checkouts.accept(sha)
    folders = RevisionFolders(checkouts, lambda: None, monotonic=lambda: time[0])
    folders.path(sha)
    (folder / "more.txt").write_text("")
    assert folders.after_attempt(sha) is None
    time[0] += PAUSE_SECONDS
    assert "more.txt" in str(folders.after_attempt(sha))


def test_an_empty_env_file_ends_the_search_of_a_job_for_one_above_its_revision(bundle: Bundle) -> None:
    (bundle.state).mkdir()
    with bundle.runner():
        assert (bundle.state / ".env").read_text() == ""
    (bundle.state / ".env").write_text("KEPT=1\n")
    bundle.repository.commit({"more.txt": "x"})
    bundle.sha = bundle.repository.head()
    with bundle.runner():
        assert (bundle.state / ".env").read_text() == "KEPT=1\n"
