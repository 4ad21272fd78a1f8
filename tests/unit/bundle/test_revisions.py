"""The seam to the loader chooses what fits the machine: git where there is one, else dulwich."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.bundle.revisions import Revisions
from chalicelib.errors import BundleError
from chalicelib.model.jobs import Job, JobSpec
from chalicelib.settings import Settings
from tests.conftest import START
from tests.git_servers import BundleRepository

pytestmark = pytest.mark.process


def revisions(tmp_path: Path, url: str, **environ: str) -> Revisions:
    settings = Settings.read({"JOBS_DIR": str(tmp_path / "state"), "JOBS_GIT_REPO_URL": url, **environ})
    return Revisions(settings, JobEnvironment(settings))


@pytest.mark.parametrize("with_git", [True, False])
def test_a_bundle_is_loaded_with_and_without_git(
    with_git: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    sha = bundle.commit({"manifest.py": "from sauron_jobs_loader import *\n"}, "an empty manifest")
    authored_at = datetime.fromisoformat(bundle.git("log", "-1", "--format=%aI", sha))
    if not with_git:
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    loader = revisions(tmp_path, str(bundle.path))
    try:
        assert loader.fetch(None) == sha
        found = loader.load(sha)
        assert found.subject == "an empty manifest"
        assert found.authored_at == authored_at
        assert loader.display_url == str(bundle.path)
        assert (tmp_path / "state" / "mirror.git").exists() is with_git
    finally:
        loader.close()


def test_without_git_an_ssh_address_is_refused_with_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BundleError, match="write https://host/org/repo"):
        revisions(tmp_path, "git@host:org/repo").fetch(None)


MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry

for job_id, fields in {
    "fits": {"func": lambda: None},
    "slow": {"func": lambda: None, "timeout_seconds": 3600},
    "dump": {"command": ["pg_dump", "x"]},
}.items():
    job_registry.register(JobConfig(id=job_id, cron="@daily", **fields))
"""


def on_lambda(tmp_path: Path, files: dict[str, str]) -> tuple[Revisions, str]:
    bundle = BundleRepository.create(tmp_path / "bundle")
    sha = bundle.commit(files)
    loader = revisions(tmp_path, str(bundle.path), AWS_LAMBDA_FUNCTION_NAME="sauron-prod-sync")
    assert loader.fetch(None) == sha
    return loader, sha


def test_on_lambda_jobs_that_cannot_run_there_are_rejected_by_name(tmp_path: Path) -> None:
    loader, sha = on_lambda(tmp_path, {"manifest.py": MANIFEST})
    try:
        loaded = loader.load(sha)
    finally:
        loader.close()
    assert [job["id"] for job in loaded.jobs] == ["fits"]
    reasons = {one["job_id"]: one["reason"] for one in loaded.rejected}
    assert set(reasons) == {"slow", "dump"}
    assert "lower timeout_seconds to 840" in reasons["slow"]
    assert "needs the program pg_dump" in reasons["dump"]
    assert {one["place"] for one in loaded.rejected} == {"manifest.py:9"}


def test_elsewhere_the_same_jobs_are_good(tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    sha = bundle.commit({"manifest.py": MANIFEST})
    loader = revisions(tmp_path, str(bundle.path))
    try:
        loader.fetch(None)
        assert len(loader.load(sha).jobs) == 3
    finally:
        loader.close()


def test_on_lambda_nothing_is_installed_and_what_is_there_is_enough(tmp_path: Path) -> None:
    loader, sha = on_lambda(
        tmp_path, {"manifest.py": "import httpx\n" + MANIFEST, "requirements.txt": "httpx>=0.1\n"}
    )
    try:
        assert [job["id"] for job in loader.load(sha).jobs] == ["fits"]
    finally:
        loader.close()
    assert not (tmp_path / "state" / "environments").exists()


def test_on_lambda_a_package_that_is_not_there_rejects_every_job_and_is_named(tmp_path: Path) -> None:
    loader, sha = on_lambda(
        tmp_path, {"manifest.py": MANIFEST, "requirements.txt": "# for reports\nno-such-package>=2\n"}
    )
    try:
        loaded = loader.load(sha)
    finally:
        loader.close()
    assert loaded.jobs == []
    assert all(
        "requirements.txt:2 asks for no-such-package, which" in one["reason"] for one in loaded.rejected
    )
    assert not (tmp_path / "state" / "environments").exists()


def test_on_lambda_a_manifest_that_needs_such_a_package_says_which_line_asks_for_it(tmp_path: Path) -> None:
    loader, sha = on_lambda(
        tmp_path, {"manifest.py": "import no_such_package\n", "requirements.txt": "no-such-package\n"}
    )
    try:
        with pytest.raises(
            BundleError, match=r"(?s)no_such_package.*requirements\.txt:1 asks for no-such-package, which"
        ):
            loader.load(sha)
    finally:
        loader.close()


@pytest.mark.parametrize("with_git", [True, False])
def test_a_refused_ref_is_answered_alike_whether_it_is_a_secret_or_not(
    with_git: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    bundle.commit({"manifest.py": ""}, "an empty manifest")
    if not with_git:
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    digits = "0123456789" * 4
    secrets = ["door-4711", "-door-4711", "4711", digits]
    others = ["door-4712", "-door-4712", "4712", "a" + digits[1:]]
    loader = revisions(tmp_path, str(bundle.path), A_TOKEN=secrets[0], B_TOKEN=secrets[1], C_TOKEN=digits)
    try:
        for secret, other in zip(secrets, others, strict=True):
            told = []
            for ref in (secret, other):
                with pytest.raises(BundleError) as caught:
                    loader.fetch(ref)
                told.append(str(caught.value))
            assert told[0] == told[1]
            assert "<ref>" in told[0]
    finally:
        loader.close()


MODEL = """
import pydantic
from sauron_jobs_loader import JobConfig, job_registry

class P(pydantic.BaseModel):
    n: int = pydantic.Field(3, le=5)

job_registry.register(JobConfig(id="job", cron="@daily", func=lambda: None, params=P))
"""


def test_a_model_is_asked_about_params_except_on_lambda_and_where_its_revision_does_not_load(
    tmp_path: Path,
) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    sha = bundle.commit({"manifest.py": MODEL})
    broken = bundle.commit({"manifest.py": "raise OSError"})
    loader = revisions(tmp_path, str(bundle.path))
    elsewhere = revisions(tmp_path, str(bundle.path), AWS_LAMBDA_FUNCTION_NAME="sauron-prod-api")
    try:
        loader.fetch(None)
        [record] = loader.load(sha).jobs
        job = Job(JobSpec.from_record(record), "bundle", sha, True, None, START, None, None, None)
        assert job.spec.params_of_model
        assert loader.params_faults(job, {"n": "5"}) == []
        assert loader.params_faults(job, {"n": 6}) == ["n: Input should be less than or equal to 5"]
        assert elsewhere.params_faults(job, {"n": 6}) is None
        assert loader.params_faults(replace(job, revision=broken), {"n": 6}) is None
    finally:
        loader.close()
        elsewhere.close()
