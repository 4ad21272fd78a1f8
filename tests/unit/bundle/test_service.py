"""When a bundle is synced by itself, and what a runner, a command and another function do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.bundle.lazy_revisions import LazyRevisions
from chalicelib.bundle.service import BundleService
from chalicelib.settings import Settings
from chalicelib.wiring import COMMAND_LINE, RUNNER, Runtime, Sauron, build
from tests.conftest import ManualClock
from tests.e2e.outside import Repository

pytestmark = pytest.mark.process

EMPTY = "from sauron_jobs_loader import job_registry\n"

Start = Callable[..., Sauron]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "bundle")


@pytest.fixture
def start(tmp_path: Path, clock: ManualClock, repository: Repository) -> Iterator[Start]:
    """Build a process of some runtime over the repository; all share one store."""
    made: list[Sauron] = []

    def begin(runtime: Runtime = COMMAND_LINE, **environ: str) -> Sauron:
        known = {
            "JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3",
            "JOBS_DIR": f"{tmp_path}/jobs",
            "JOBS_GIT_REPO_URL": str(repository.folder),
            **environ,
        }
        made.append(build(Settings.read(known), runtime=runtime, clock=clock))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def test_a_sync_comes_at_first_and_then_after_its_interval(
    start: Start, repository: Repository, clock: ManualClock
) -> None:
    first = repository.commit({"manifest.py": EMPTY})
    bundle = start(JOBS_REFRESH_INTERVAL_SECONDS="420").bundle
    report = bundle.sync_if_due()
    assert report is not None
    assert report.sha == first
    second = repository.commit({"manifest.py": EMPTY + "# again\n"})
    clock.move(seconds=389)
    assert bundle.sync_if_due() is None
    clock.move(seconds=1)  # half a minute early counts as due: a minute's clock is not exact
    report = bundle.sync_if_due()
    assert report is not None
    assert report.sha == second


def test_with_an_interval_of_nought_only_the_first_sync_comes_by_itself(
    start: Start, repository: Repository, clock: ManualClock
) -> None:
    repository.commit({"manifest.py": EMPTY})
    bundle = start(JOBS_REFRESH_INTERVAL_SECONDS="0").bundle
    assert bundle.sync_if_due() is not None
    repository.commit({"manifest.py": EMPTY + "# again\n"})
    clock.move(days=30)
    assert bundle.sync_if_due() is None
    assert bundle.sync().success


def test_a_runner_loads_the_active_revision_though_no_sync_is_due_and_shows_it_once(
    start: Start, repository: Repository
) -> None:
    sha = repository.commit({"manifest.py": EMPTY})
    assert start().bundle.sync().success
    shown: list[str] = []
    runner = start(RUNNER)
    service = BundleService(
        runner.store, runner.clock, runner.settings, runner.revisions, runner.waker, on_preloaded=shown.append
    )
    assert (service.sync_if_due(), service.sync_if_due()) == (None, None)
    assert shown == [sha]


def test_a_command_loads_nothing_that_it_does_not_need(start: Start, repository: Repository) -> None:
    repository.commit({"manifest.py": EMPTY})
    assert start().bundle.sync().success
    again = start()
    assert again.bundle.sync_if_due() is None
    built = again.revisions.built
    assert built is None or built.preloaded is None


def test_without_a_repository_nothing_is_due_and_a_sync_says_what_to_set(start: Start) -> None:
    alone = start(JOBS_GIT_REPO_URL="")
    assert alone.bundle.sync_if_due() is None
    report = alone.bundle.sync()
    assert (report.success, "JOBS_GIT_REPO_URL" in report.message) == (False, True)
    assert alone.revisions.built is None


def test_another_function_is_served_with_the_report_as_json(
    start: Start, repository: Repository, clock: ManualClock
) -> None:
    sha = repository.commit({"manifest.py": EMPTY})
    bundle = start().bundle
    asked = {"act": "sync", "ref": None, "accept_removals": False, "by": "jarvis"}
    report = bundle.serve(asked)
    assert (report["success"], report["sha"]) == (True, sha)
    later = repository.commit({"manifest.py": EMPTY + "# pushed\n"})
    assert bundle.serve({"act": "push"})["sha"] == later
    clock.move(minutes=1)
    assert bundle.serve({"act": "rollback", "sha": "f" * 40, "by": None}) == {"unknown_revision": "f" * 40}
    assert bundle.serve({"act": "rollback", "sha": sha[:12], "by": None})["sha"] == sha
    assert bundle.serve({"act": "push"})["sha"] == sha  # a push lets no pin go


def test_workers_are_woken_by_a_sync_that_succeeded_and_by_no_other(
    start: Start, repository: Repository
) -> None:
    repository.commit({"manifest.py": EMPTY})
    sauron = start()
    assert sauron.bundle.sync().success
    assert sauron.signals.outbox.wait(0) == {""}
    repository.commit({"manifest.py": "raise RuntimeError('no')\n"})
    assert not sauron.bundle.sync().success
    assert sauron.signals.outbox.wait(0) == set()


def test_revisions_are_built_once_by_whoever_needs_them_first() -> None:
    built: list[int] = []

    class Made:
        preloaded = None

    def make() -> Made:
        built.append(1)
        return Made()

    lazy = LazyRevisions(make)  # type: ignore[arg-type] # never used as more than an object
    assert lazy.built is None
    lazy.stop_installing()
    lazy.close()
    assert built == []
    assert lazy.get() is lazy.get()
    assert built == [1]
    assert lazy.built is lazy.get()
