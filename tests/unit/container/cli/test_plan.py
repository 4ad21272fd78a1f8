from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.git_servers import BundleRepository
from tests.unit.container.cli.conftest import Cli

IMPORTS = "from sauron_jobs_loader import JobConfig, job_registry\n"
GOOD = "job_registry.register(JobConfig(id='good', cron='0 8 * * *', command=['true'], secrets=[]))\n"
BAD = "job_registry.register(JobConfig(id='bad', cron='61 8 * * *', command=['true'], secrets=[]))\n"


@pytest.mark.process
def test_a_folder_is_compared_as_it_lies_and_problems_are_exit_code_1(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "ops-jobs"
    folder.mkdir()
    (folder / "manifest.py").write_text(IMPORTS + GOOD)
    said = cli("plan", str(folder), "--days", "2", "--json")
    assert said.code == 0
    assert (said.json["from"], said.json["to"]) == (None, str(folder))
    assert [(one["job_id"], one["change"], one["appear"]) for one in said.json["jobs"]] == [
        ("good", "added", 2)
    ]
    (folder / "manifest.py").write_text(IMPORTS + GOOD + BAD)
    said = cli("plan", "ops-jobs")
    assert said.code == 1
    assert "From nothing to" in said.out
    assert "write 0 to 59" in said.out
    assert "To mend: 1 problem." in said.out
    (folder / "manifest.py").write_text("raise OSError('nothing works')\n")
    said = cli("plan", "./ops-jobs", "--markdown")
    assert said.code == 1
    assert said.out.startswith("<!-- sauron plan -->")
    assert "nothing works" in said.out


@pytest.mark.process
def test_a_branch_is_asked_of_sauron_and_an_unknown_one_is_wrong_use(cli: Cli, tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    sha = bundle.commit({"manifest.py": IMPORTS + GOOD})
    environ = {"JOBS_GIT_REPO_URL": str(bundle.path)}
    assert json.loads(cli("plan", "--json", **environ).out)["to"] == sha
    assert cli("list", "--json", JOBS_GIT_REPO_URL="").json["jobs"] == []  # nothing was activated
    said = cli("plan", "no-such-branch", **environ)
    assert (said.code, said.out) == (2, "")
    assert "its branches are main" in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--days", "0"], "0 is not in the range"),
        (["plan", "--markdown", "--json"], "choose one"),
        (["plan", ""], "is empty"),
        (["plan", "./nowhere"], "There is no folder ./nowhere"),
        (["plan", ".", "--url", "http://127.0.0.1:9"], "push it and name the branch"),
        (["simulate", ".", "--url", "http://127.0.0.1:9"], "push it and name the branch"),
        (["simulate", "--timeline", "--json"], "choose one"),
        (["simulate", "--workers", "0"], "0 is not in the range"),
        (["simulate", "--to", "soon"], "is not a valid time"),
        (["simulate", "--from", "2026-03-03", "--to", "2026-03-02"], "is not after"),
    ],
)
def test_wrong_use_is_exit_code_2_and_says_what_to_write(arguments: list[str], said: str, cli: Cli) -> None:
    answered = cli(*arguments)
    assert (answered.code, answered.out) == (2, "")
    assert said in answered.err
