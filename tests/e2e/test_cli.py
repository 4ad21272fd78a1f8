"""The command line as a process: over a store of its own, and over a running Sauron by --url."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from chalicelib import __version__
from chalicelib.store import Store, schema
from tests.e2e.outside import SAMPLE, Cli, Repository, Said, Serve, environ_of, wait_for


def failed(said: Said, code: int) -> str:
    """Check that a refusal has its exit code, no standard output and no traceback; return its text."""
    assert said.code == code, said
    assert said.out == ""
    assert said.err.startswith("sauron: ")
    assert "Traceback" not in said.err
    return said.err


@pytest.fixture
def sample(repository: Repository) -> str:
    return repository.commit(SAMPLE)


def test_list_syncs_first_and_is_quiet_about_what_is_off(cli: Cli, sample: str) -> None:
    quiet = cli("list")
    assert quiet.code == 0
    assert "at 08:00" in quiet.out
    assert "idle" not in quiet.out
    assert cli("status", "--json").json["git_sync_status"]["current_sha"] == sample
    assert "idle" in cli("list", "-a").out
    jobs = cli("--json", "list").json
    assert {job["id"] for job in jobs["jobs"]} == {"hello", "greet", "fails", "slow", "children", "listing"}
    assert cli("list", "--json", "--tag", "t").json["count"] == 1


def test_version_is_the_version_and_nothing_else(cli: Cli) -> None:
    assert cli("version") == Said(0, f"{__version__}\n", "")
    assert cli("version", "--json").json == cli("--json", "version").json == {"version": __version__}


def test_a_run_is_queued_without_a_running_sauron_and_executed_once_one_starts(
    cli: Cli, serve: Serve, sample: str
) -> None:
    said = cli("run", "hello", "--json")
    assert {"job_id", "queued", "queue_id", "message"} <= set(said.json)
    plain = cli("run", "greet", "--param", "name=Frodo", "--reason", "manners")
    assert plain.code == 0
    assert "No runner is up" in plain.err
    assert {run["state"] for run in cli("runs", "--json").json["runs"]} == {"queued"}
    served = serve().until_ready()
    assert served.ended(said.json["queue_id"])["state"] == "succeeded"
    greet = cli("runs", "--job", "greet", "--state", "succeeded", "--json").json["runs"]
    assert [(run["params"], run["reason"]) for run in greet] == [({"name": "Frodo"}, "manners")]


def test_an_unknown_job_or_run_is_exit_1_and_wrong_use_is_exit_2(cli: Cli, sample: str) -> None:
    assert "'nope'" in failed(cli("run", "nope"), 1)
    assert "hello" in failed(cli("run", "helo"), 1)
    assert "'idle'" in failed(cli("run", "idle"), 1)
    assert "'x'" in failed(cli("show", "x"), 1)
    assert "times" in failed(cli("run", "greet", "--param", "times=9"), 2)  # params that do not fit
    assert "--bogus" in failed(cli("list", "--bogus"), 2)
    assert "list" in failed(cli("lst"), 2)
    assert "ID" in failed(cli("run"), 2)
    assert "--param name=value" in failed(cli("run", "hello", "--param", "x"), 2)
    assert "SAURON_WORKERS" in failed(cli("list", SAURON_WORKERS="many"), 2)


def test_a_dry_run_says_what_would_happen_and_changes_nothing(cli: Cli, sample: str) -> None:
    good = cli("run", "greet", "--dry-run", "--param", "name=Frodo", "--json")
    assert (good.code, good.json["would_run"], good.json["revision"]) == (0, True, sample)
    assert good.json["entrypoint"] == "jobs.sample:greet"
    bad = cli("run", "greet", "--dry-run", "--param", "times=9")
    assert bad.code == 1
    assert "would not run" in bad.out
    assert "times" in bad.out
    assert "sauron enable idle" in cli("run", "idle", "--dry-run").out
    assert [run for run in cli("runs", "--json").json["runs"] if run["origin"] != "schedule"] == []


def test_a_direct_run_shows_its_output_and_leaves_no_record(cli: Cli, sample: str) -> None:
    said = cli("run", "greet", "--direct", "--param", "name=Frodo", "--param", "times=2")
    assert (said.code, said.out) == (0, "good day, Frodo\n" * 2)
    bad = cli("run", "fails", "--direct")
    assert bad.code == 1
    assert "before the end" in bad.out
    assert "it was not meant to be" in bad.err
    assert cli("run", "idle", "--direct").code == 0  # what is off may be tried out
    known = cli("run", "hello", "--direct", "--json")
    assert (known.code, known.json["outcome"]) == (0, "succeeded")
    assert [run for run in cli("runs", "--json").json["runs"] if run["origin"] != "schedule"] == []


def test_an_interrupt_of_a_direct_run_ends_every_process_of_it(cli: Cli, sample: str, tmp_path: Path) -> None:
    cli("sync")
    process = subprocess.Popen(
        [sys.executable, "-m", "sauron.cli", "run", "children", "--direct"],
        cwd=tmp_path / "home",
        env=environ_of(JOBS_GIT_REPO_URL=str(tmp_path / "bundle"), SAURON_KILL_GRACE_SECONDS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()[1:]]
    assert len(pids) == 2
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), what="no process is left")


def test_waiting_follows_the_log_and_its_exit_code_is_the_runs(cli: Cli, serve: Serve, sample: str) -> None:
    assert "No runner is up" in failed(cli("run", "hello", "--wait"), 1)
    serve().until_synced()
    good = cli("run", "greet", "--wait", "--param", "name=Frodo")
    assert (good.code, good.out) == (0, "good day, Frodo\n")
    bad = cli("run", "fails", "--wait")
    assert bad.code == 1
    assert bad.out.startswith("before the end\n")
    assert "failed" in bad.err
    known = cli("run", "hello", "--wait", "--json")
    assert known.json["state"] == "succeeded"


def test_the_same_commands_talk_to_a_running_sauron_by_url_and_token(
    cli: Cli, serve: Serve, repository: Repository, sample: str
) -> None:
    served = serve(SAURON_API_TOKENS="grafana:read:read-only-1,jarvis:operate:operating-1")
    wait_for(lambda: "To change a job" in served.said(), what="it is up and synced")
    url = served.said().split("page and API")[1].split()[0]

    def ask(*arguments: str, token: str = "operating-1") -> Said:  # noqa: S107 - made up
        return cli(*arguments, folder="elsewhere", SAURON_URL=url, SAURON_TOKEN=token, JOBS_GIT_REPO_URL="")

    assert ask("version").out.strip() == __version__
    assert ask("list", "--json").json["count"] == 6 + 3  # of the builtin jobs the digest is off
    assert ask("next", "-n", "3", "--json").json["count"] == 3
    assert "running" in ask("status").out
    done = ask("run", "hello", "--wait", "--json")
    assert (done.code, done.json["requested_by"]) == (0, "jarvis")
    run_id = done.json["id"]
    assert ask("show", run_id, "--json").json["state"] == "succeeded"
    assert "1 of 3" in ask("show", run_id).out
    assert ask("logs", run_id).out == f"hello from {run_id}\n"
    assert ask("logs", run_id, "-f").out == f"hello from {run_id}\n"
    again = ask("retry", run_id, "--json").json["run_id"]
    assert ask("logs", again, "-f").out == f"hello from {again}\n"
    slow = ask("run", "slow", "--json").json["queue_id"]
    assert ask("cancel", slow).code == 0
    wait_for(lambda: ask("show", slow, "--json").json["state"] == "cancelled", what="it is cancelled")
    assert "off" in ask("disable", "hello", "--until", "2h", "--reason", "quiet").out
    assert ask("enable", "hello", "--json").json["enabled"] is True
    second = repository.commit({"manifest.py": SAMPLE["manifest.py"].replace("0 8 1 1 *", "30 8 1 1 *")})
    synced = ask("sync", "--json").json
    assert (synced["sha"], synced["rescheduled"]) == (second, ["hello"])
    assert ask("rollback", sample[:10]).code == 0
    assert ask("audit").code == 0
    assert "'operate'" in failed(ask("sync", token="read-only-1"), 1)
    assert "--token" in failed(ask("list", token="wrong-token"), 1)
    assert "leave --url out" in failed(cli("backup", "x", "--url", url), 2)
    served.stop()
    assert url in failed(ask("list"), 1)
    assert "http://host:port" in failed(cli("list", "--url", "host"), 2)


def test_a_sync_that_fails_is_exit_1_with_the_place_of_the_fault(
    cli: Cli, repository: Repository, sample: str
) -> None:
    assert cli("sync").code == 0
    repository.commit({"manifest.py": "import jobs.sample\n1 +\n"})
    assert "manifest.py" in failed(cli("sync"), 1)
    assert cli("sync", "--json").json["success"] is False
    assert "manifest.py" in cli("status").out
    assert cli("list", "--json").json["count"] == 6  # the last good revision stays
    repository.commit({"manifest.py": "from sauron_jobs_loader import job_registry\n"})
    assert "--accept-removals" in failed(cli("sync"), 1)
    accepted = cli("sync", "--accept-removals", "--json").json
    assert (accepted["success"], accepted["jobs_removed"]) == (True, 7)


def test_cron_says_words_and_times_across_a_change_of_clocks(cli: Cli) -> None:
    said = cli("cron", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T12:00", "-n", "2")
    assert said.code == 0
    assert said.out.splitlines() == [
        "at 02:30 (Europe/Berlin)",
        "  Sun 2026-03-29 03:00 CEST  (2026-03-29T01:00:00Z)",
        "  Mon 2026-03-30 02:30 CEST  (2026-03-30T00:30:00Z)",
    ]
    known = cli("cron", "@daily", "--json", "-n", "3").json
    assert (len(known["next_runs"]), known["timezone"]) == (3, "UTC")
    assert "five" in failed(cli("cron", "* * * *"), 2)
    assert "Mars" in failed(cli("cron", "* * * * *", "--tz", "Mars/Olympus"), 2)
    assert "--from" in failed(cli("cron", "* * * * *", "--from", "soon"), 2)


def test_init_writes_a_bundle_that_passes_its_check_and_runs(cli: Cli, tmp_path: Path) -> None:
    made = cli("init", "mine", HOME=str(tmp_path))
    assert made.code == 0
    folder = tmp_path / "home" / "mine"
    assert f"JOBS_GIT_REPO_URL={folder} " in made.out
    git = ["git", "-C", str(folder)]
    assert (
        subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
        == ""
    )
    assert (
        subprocess.run([*git, "branch", "--show-current"], capture_output=True, text=True, check=True).stdout
        == "main\n"
    )
    assert "not empty" in failed(cli("init", "mine"), 1)
    checked = cli("check", "mine", "--json").json
    assert (checked["ok"], checked["faults"], len(checked["jobs"])) == (True, [], 4)
    assert (
        subprocess.run(
            [*git, "status", "--porcelain", "--ignored"], capture_output=True, text=True, check=True
        ).stdout
        == ""
    )
    assert cli("list", "--json", JOBS_GIT_REPO_URL=str(folder)).json["count"] == 3


def test_check_names_every_fault_of_the_working_tree_with_its_place(
    cli: Cli, repository: Repository, sample: str
) -> None:
    good = cli("check", str(repository.folder))
    assert good.code == 0
    assert "7 jobs are good." in good.out
    extra = """
job_registry.register(JobConfig(id="hello", cron="@daily", func=hello))
job_registry.register(JobConfig(id="Bad Id", cron="@daily", func=hello))
job_registry.register(JobConfig(id="bad-cron", cron="99 * * * *", func=hello))
job_registry.register(JobConfig(id="bad-zone", cron="@daily", func=hello, timezone="Mars/Olympus"))
job_registry.register(JobConfig(id="no-default", cron="@daily", func=hello, params={"required": ["n"]}))
job_registry.register(JobConfig(id="east", cron="@daily", func=hello, timezone="EST"))
"""
    repository.write({"manifest.py": SAMPLE["manifest.py"] + extra})  # not committed
    bad = cli("check", str(repository.folder), "--json")
    assert bad.code == 1
    faults = {fault["job_id"]: fault for fault in bad.json["faults"]}
    assert {"hello", "Bad Id", "bad-cron", "bad-zone", "no-default"} == set(faults)
    assert len(bad.json["jobs"]) == 8
    assert any("America/New_York" in remark["cure"] for remark in bad.json["remarks"])
    assert all(fault["place"].startswith("manifest.py:") and fault["reason"] for fault in faults.values())
    repository.write({"manifest.py": "def broken(:\n"})
    broken = cli("check", str(repository.folder))
    assert broken.code == 1
    assert "manifest.py" in broken.out
    assert failed(cli("check", "nowhere"), 2)


def test_check_for_aws_names_the_jobs_that_lambda_cannot_run(
    cli: Cli, repository: Repository, sample: str
) -> None:
    extra = """
job_registry.register(JobConfig(id="long", cron="@daily", func=hello, timeout_seconds=3600))
job_registry.register(JobConfig(id="dump", cron="@daily", command=["pg_dump", "db"]))
"""
    repository.write({"manifest.py": SAMPLE["manifest.py"] + extra})
    assert cli("check", str(repository.folder)).code == 0
    said = cli("check", "--target", "aws", str(repository.folder))
    assert said.code == 1
    assert (
        "long: timeout_seconds is 3600, and AWS Lambda ends every function after 15 minutes: lower"
        in said.out
    )
    told = cli("check", "--target", "aws", str(repository.folder), "--json").json
    faults = {fault["job_id"]: fault["reason"] for fault in told["faults"]}
    assert "needs the program pg_dump" in faults["dump"]
    assert told["ok"] is False
    assert {job["id"] for job in told["jobs"]}.isdisjoint({"long", "dump"})


def test_backup_and_migrate_say_what_they_did(cli: Cli, tmp_path: Path, sample: str) -> None:
    assert "is at schema" in cli("migrate").out
    cli("run", "hello")
    assert cli("backup", "copy.sqlite3").code == 0
    with sqlite3.connect(tmp_path / "home" / "copy.sqlite3") as copy:
        assert copy.execute("SELECT count(*) FROM job_queue WHERE origin = 'trigger'").fetchone() == (1,)
    copy.close()
    assert "exists already" in failed(cli("backup", "copy.sqlite3"), 1)


def test_an_audit_with_a_hole_is_exit_1_and_names_it(cli: Cli, serve: Serve, sample: str) -> None:
    served = serve().until_synced()
    whole = wait_for(
        lambda: said if "since" in (said := cli("audit")).out else None, what="there is something to audit"
    )
    assert (whole.code, whole.err) == (0, "")
    served.stop()
    store = Store(f"sqlite:///{served.folder}/.sauron/sauron.sqlite3")
    earlier = datetime.now(UTC) - timedelta(hours=5)
    with store.write() as tx:  # as if the job had been in force before: those occurrences have no rows
        tx.execute(update(schema.jobs).where(schema.jobs.c.job_id == "listing").values(ledger_from=earlier))
        tx.execute(update(schema.periods).where(schema.periods.c.job_id == "listing").values(since=earlier))
    store.close()
    said = cli("audit", "--json")
    assert said.code == 1
    assert [hole["job_id"] for hole in said.json["holes"]] == ["listing"] * 5
    shown = cli("audit", "--job", "listing")
    assert shown.code == 1
    assert "listing" in shown.out
    assert "5 of 5" in shown.err


def test_a_reader_that_leaves_early_is_no_error(cli: Cli, sample: str, tmp_path: Path) -> None:
    cli("sync")
    line = f"{sys.executable} -m sauron.cli next -n 1000 | head -1"
    environ = environ_of(JOBS_GIT_REPO_URL=str(tmp_path / "bundle"))
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path / "home", env=environ, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_a_terminal_gets_a_table_that_fits_and_a_pipe_no_escape_codes(
    cli: Cli, sample: str, tmp_path: Path
) -> None:
    assert "\x1b" not in cli("list").out
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sauron.cli", "list"],
        cwd=tmp_path / "home",
        env=environ_of(JOBS_GIT_REPO_URL=str(tmp_path / "bundle"), TERM="xterm", COLUMNS="100"),
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait(60) == 0
    assert b"\x1b[1m" in shown
    assert b"hello" in shown


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("disable", "-h")])
def test_help_is_answered_without_opening_anything(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    said = cli(*arguments, folder="bare", SAURON_WORKERS="many")
    assert said.code == 0
    assert "Usage: sauron" in said.out
    assert not (tmp_path / "bare" / ".sauron").exists()
    assert json.dumps(said.err) == '""'
