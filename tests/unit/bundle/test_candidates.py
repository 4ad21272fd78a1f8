"""A candidate is loaded beside the revision in force, and nothing is left of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from chalicelib.bundle.working_tree import WorkingTree
from chalicelib.errors import BundleError, UnknownRefError
from chalicelib.settings import Settings
from chalicelib.store.schema import metadata
from chalicelib.wiring import COMMAND_LINE, Sauron, build
from tests.conftest import ManualClock
from tests.git_servers import BundleRepository

pytestmark = pytest.mark.process

IMPORTS = "from sauron_jobs_loader import JobConfig, job_registry\n"


def job(job_id: str, cron: str = "0 8 * * *", **fields: Any) -> str:
    more = "".join(f", {name}={value!r}" for name, value in fields.items())
    return f"job_registry.register(JobConfig(id={job_id!r}, cron={cron!r}, command=['true']{more}))\n"


@pytest.fixture
def bundle(tmp_path: Path) -> BundleRepository:
    made = BundleRepository.create(tmp_path / "bundle")
    made.commit({"manifest.py": IMPORTS + job("daily") + job("night")}, "the first")
    return made


Make = Callable[..., Sauron]


@pytest.fixture
def make(tmp_path: Path, bundle: BundleRepository, clock: ManualClock) -> Iterator[Make]:
    """A Sauron of this bundle, synced."""
    made: list[Sauron] = []

    def sauron(**environ: str) -> Sauron:
        settings = {"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/store.sqlite3", "JOBS_DIR": f"{tmp_path}/jobs"}
        settings |= {"JOBS_GIT_REPO_URL": str(bundle.path), **environ}
        one = build(Settings.read(settings), runtime=COMMAND_LINE, clock=clock)
        made.append(one)
        assert one.bundle.sync().success
        return one

    yield sauron
    for one in made:
        one.close()


def everything(sauron: Sauron) -> dict[str, list[Any]]:
    """Return every row of the store."""
    with sauron.store.read() as tx:
        return {
            table.name: [tuple(row) for row in tx.execute(select(table))] for table in metadata.sorted_tables
        }


def children() -> str:
    """Return the processes of this thread."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()


def test_a_plan_changes_no_row_no_checkout_and_leaves_no_process(
    make: Make, bundle: BundleRepository
) -> None:
    sauron = make()
    bundle.git("checkout", "--quiet", "-b", "change")
    sha = bundle.commit({"manifest.py": IMPORTS + job("daily", "0 9 * * *") + job("night")}, "an hour later")
    checkouts = sauron.settings.jobs_dir / "revisions"
    rows, folders, processes = everything(sauron), sorted(checkouts.iterdir()), children()
    found = sauron.questions.plan("change", days=2)
    assert (found["from"], found["to"]) == (bundle.git("rev-parse", "main"), sha)
    assert [(one["job_id"], one["change"]) for one in found["jobs"]] == [("daily", "rescheduled")]
    assert [one["subject"] for one in found["commits"]] == ["an hour later"]
    assert everything(sauron) == rows
    assert sorted(checkouts.iterdir()) == folders
    assert children() == processes


def test_a_branch_a_tag_and_a_commit_are_found_and_the_followed_branch_by_itself(
    make: Make, bundle: BundleRepository
) -> None:
    sauron = make()
    sha = bundle.commit({"manifest.py": IMPORTS + job("daily")}, "fewer")
    bundle.git("tag", "v1")
    assert sauron.questions.plan("v1")["to"] == sha
    for ref in (None, "main", sha, sha[:10]):
        assert sauron.revisions.get().fetch(ref, listed=True) == sha
    with pytest.raises(UnknownRefError) as caught:
        sauron.questions.plan("no-such-branch")
    assert "no-such-branch" not in str(caught.value)  # it might be a secret
    with pytest.raises(BundleError, match="not a valid"):
        sauron.questions.plan("--upload-pack=x")


def test_a_manifest_that_cannot_be_executed_is_told_as_the_problem(
    make: Make, bundle: BundleRepository
) -> None:
    sauron = make(JOBS_GIT_TOKEN="a-token-that-is-secret")
    bundle.commit({"manifest.py": "raise OSError('a-token-that-is-secret')\n"})
    found = sauron.questions.plan()
    (problem,) = found["problems"]
    assert "OSError" in problem["problem"]
    assert "a-token-that-is-secret" not in str(found)
    assert found["jobs"] == []
    with pytest.raises(BundleError, match="OSError"):
        sauron.questions.simulate(ref="main")


def test_rejected_jobs_missing_secrets_and_remarks_come_from_the_revision(
    make: Make, bundle: BundleRepository
) -> None:
    sauron = make(KNOWN="a value")
    manifest = IMPORTS + job("daily", "61 8 * * *") + job("night", secrets=["KNOWN", "LACKING"])
    bundle.commit({"manifest.py": manifest + job("tool", secrets=[]).replace("'true'", "'no-such-program'")})
    found = sauron.questions.plan()
    assert [(one["job_id"], "write 0 to 59" in one["problem"]) for one in found["problems"]] == [
        ("daily", True)
    ]
    assert found["missing_secrets"] == [{"job_id": "night", "missing": ["LACKING"]}]
    assert any("no-such-program" in one["text"] for one in found["remarks"])


def test_a_simulation_of_a_revision_has_its_jobs(make: Make, bundle: BundleRepository) -> None:
    sauron = make()
    bundle.commit({"manifest.py": IMPORTS + job("often", "*/30 * * * *")})
    jobs = {one["job_id"] for one in sauron.questions.simulate(ref="main")["runs"]}
    assert {one for one in jobs if not one.startswith("sauron.")} == {"often"}
    assert "often" not in {one["job_id"] for one in sauron.questions.simulate()["runs"]}


def test_a_folder_is_compared_as_it_lies(make: Make, bundle: BundleRepository, clock: ManualClock) -> None:
    sauron = make()
    (bundle.path / "manifest.py").write_text(IMPORTS + job("daily") + job("fresh"))
    before = sorted(bundle.path.rglob("*"))
    tree = WorkingTree(bundle.path, sauron.settings, now=clock.now)
    try:
        candidate = tree.candidate()
    finally:
        tree.close()
    found = sauron.questions.plan(candidate=candidate)
    assert [(one["job_id"], one["change"]) for one in found["jobs"]] == [
        ("fresh", "added"),
        ("night", "removed"),
    ]
    assert found["to"] == str(bundle.path)
    assert sorted(bundle.path.rglob("*")) == before


def test_another_function_gets_a_candidate_as_json(make: Make, bundle: BundleRepository) -> None:
    sauron = make()
    sha = bundle.commit({"manifest.py": IMPORTS + job("often")})
    served = sauron.bundle.serve({"act": "candidate", "ref": "main"})
    assert (served["to"], [one["id"] for one in served["jobs"]]) == (sha, ["often"])
    assert (
        "no branch, tag or commit" in sauron.bundle.serve({"act": "candidate", "ref": "none"})["unknown_ref"]
    )
