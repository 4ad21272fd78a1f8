"""What the Tab key offers, and the scripts that ask for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem

from chalicelib.store import Store, bundle, runners
from sauron.cli import completion
from sauron.cli.client import Client
from sauron.cli.root import COMMANDS
from tests.conftest import ManualClock, define
from tests.http_receiver import Answer, receive
from tests.terminal import ROOT
from tests.unit.container.cli.conftest import Cli

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def offered(offer: Offer, begun: str = "", url: str | None = None) -> list[str]:
    context = click.Context(click.Command("show"), obj=Client(url=url))
    return [item.value for item in offer(context, click.Argument(["x"]), begun)]


@pytest.mark.every_store
def test_ids_of_jobs_and_runs_that_begin_so_are_offered(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job_id in ("backup", "backup-check", "digest"):
        define(store, clock, job_id, "0 3 1 1 *")
    monkeypatch.setenv("JOB_QUEUE_DB_URL", store.url.render_as_string(hide_password=False))
    assert offered(completion.job_ids) == ["backup", "backup-check", "digest"]
    assert offered(completion.job_ids, "backup-") == ["backup-check"]
    assert offered(completion.job_ids, "x") == []
    assert offered(completion.run_ids) == []


def test_runs_are_offered_with_what_they_are_of(cli: Cli, store: Store, clock: ManualClock) -> None:
    define(store, clock, "backup", "0 3 1 1 *")
    made = [cli("run", "backup", "--json").json["queue_id"] for _ in range(2)]
    os.environ["JOB_QUEUE_DB_URL"] = str(store.url)
    assert offered(completion.run_ids) == made[::-1]
    assert offered(completion.run_ids, made[0]) == [made[0]]


def test_a_running_sauron_is_asked_where_one_is_named() -> None:
    run = {"id": "0197a3f2-1", "job_id": "backup", "state": "failed"}
    runs = Answer(body=json.dumps({"runs": [run, {**run, "id": "0298"}]}))
    with receive(runs) as sauron:
        assert offered(completion.run_ids, "0197", sauron.url) == ["0197a3f2-1"]
    assert sauron.asked[0].path == "/runs?limit=50"


def test_every_command_that_takes_an_id_offers_ids() -> None:
    offers = {
        "ID": completion.job_ids,
        "RUN": completion.run_ids,
        "RUNNER": completion.runners,
        "SHA": completion.revisions,
    }
    wanted = {
        (command.name, one.name): offers[str(one.metavar)]
        for command in COMMANDS
        for one in command.params
        if one.metavar in offers
    }
    assert {("why", "job_id"), ("logs", "run_id"), ("drain", "name"), ("rollback", "sha")} <= set(wanted)
    for command in COMMANDS:
        for one in command.params:
            if (command.name, one.name) in wanted:
                assert one._custom_shell_complete is wanted[command.name, one.name], (command.name, one.name)


def test_runners_and_revisions_that_begin_so_are_offered(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write() as tx:
        for name in ("web-1", "web-2"):
            runners.runner_seen(tx, runners.Runner(name, "web", 7, "3.1", clock.now(), clock.now()))
        for number, sha in enumerate(("a" * 40, "b" * 40)):
            bundle.add_revision(tx, sha, [], [], subject=f"commit {number}", author=None, now=clock.now())
            bundle.mark_activated(tx, sha, now=clock.now())
            clock.move(seconds=1)
    monkeypatch.setenv("JOB_QUEUE_DB_URL", store.url.render_as_string(hide_password=False))
    assert offered(completion.runners) == ["web-1", "web-2"]
    assert offered(completion.runners, "web-2") == ["web-2"]
    assert offered(completion.revisions) == ["b" * 12, "a" * 12]
    assert offered(completion.revisions, "aa") == ["a" * 12]
    with receive(Answer(body=json.dumps({"runners": [{"name": "far-1"}]}))) as sauron:
        assert offered(completion.runners, "far", sauron.url) == ["far-1"]


@pytest.mark.parametrize(
    "offer", [completion.job_ids, completion.run_ids, completion.runners, completion.revisions]
)
def test_where_nothing_can_be_asked_nothing_is_offered_said_or_made(
    offer: Offer, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered(offer) == []  # no store is there
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert offered(offer, url=f"http://127.0.0.1:{closed.getsockname()[1]}") == []
    assert offered(offer, url="nonsense") == []
    monkeypatch.setenv("JOB_QUEUE_DB_URL", "mysql://h/db")
    assert offered(offer) == []
    with receive(Answer(500, "broken")) as sauron:
        assert offered(offer, url=sauron.url) == []
    (tmp_path / ".env").write_bytes(b"\xff")
    assert offered(offer) == []
    assert [file.name for file in tmp_path.iterdir()] == [".env"]
    assert capfd.readouterr() == ("", "")


def test_the_script_is_printed_and_another_shell_is_wrong_use(cli: Cli) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = cli("completion", shell).out
        assert f"_SAURON_COMPLETE={shell}_complete" in script
        assert cli("completion", shell, "--json").json == {"shell": shell, "script": script.rstrip("\n")}
    said = cli("completion", "tcsh")
    assert (said.code, said.out) == (2, "")
    assert "'bash', 'zsh', 'fish'" in said.err


@pytest.mark.process
def test_bash_completes_commands_options_and_ids(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    define(store, clock, "backup", "0 3 1 1 *")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/sauron"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sauron.cli "$@"\n')
    program.chmod(0o755)
    press = """
        eval "$(sauron completion bash)"
        for line in "co" "run b" "runs --j"; do
            COMP_WORDS=(sauron $line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
            _sauron_completion sauron; echo "${COMPREPLY[@]}"
        done
    """
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'container'}",
        "JOB_QUEUE_DB_URL": str(store.url),
    }
    ended = subprocess.run(
        ["bash", "-c", press], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.stdout.splitlines(), ended.stderr) == (["completion", "backup", "--job --json"], "")
