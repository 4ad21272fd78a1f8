from __future__ import annotations

import pytest

from chalicelib.store import Store
from tests.conftest import ManualClock, define
from tests.unit.container.cli.conftest import Cli


@pytest.fixture
def run_id(cli: Cli, store: Store, clock: ManualClock) -> str:
    """A queued run of the only job."""
    define(store, clock, "backup", "0 3 1 1 *")
    queued: str = cli("run", "backup", "--json").json["queue_id"]
    return queued


def test_a_list_without_a_match_says_so_on_standard_error(cli: Cli) -> None:
    said = cli("runs")
    assert (said.code, said.out, said.err) == (0, "", "sauron: No run matches.\n")


def test_a_longer_list_says_how_to_continue(cli: Cli, run_id: str) -> None:
    cli("run", "backup")
    said = cli("runs", "--job", "backup", "--limit", "1")
    assert "backup" in said.out
    assert "sauron runs --job backup --limit 1 --after" in said.err


def test_a_run_is_shown_with_its_state_and_origin(cli: Cli, run_id: str) -> None:
    said = cli("show", run_id)
    assert "state          queued" in said.out
    assert "trigger, by" in said.out


def test_a_waiting_run_is_cancelled_at_once_and_may_be_retried(cli: Cli, run_id: str) -> None:
    assert cli("cancel", run_id).out == f"Run {run_id} is cancelled.\n"
    again = cli("retry", run_id, "--json").json["run_id"]
    assert again != run_id
    assert cli("show", again, "--json").json["state"] == "queued"


def test_a_log_of_a_run_that_wrote_nothing_is_empty(cli: Cli, run_id: str) -> None:
    assert cli("logs", run_id).out == ""
    assert cli("logs", run_id, "--json").json == {"run_id": run_id, "state": "queued", "log": ""}


def test_following_in_json_is_wrong_use(cli: Cli) -> None:
    said = cli("logs", "x", "-f", "--json")
    assert said.code == 2
    assert "leave --json out" in said.err


def test_commands_take_the_first_letters_of_an_id_and_tell_the_whole(cli: Cli, run_id: str) -> None:
    short = run_id[:13]
    assert cli("show", short, "--json").json["id"] == run_id
    assert cli("logs", short, "--json").json["run_id"] == run_id
    assert cli("cancel", short).out == f"Run {run_id} is cancelled.\n"
    again = cli("retry", short, "--json").json
    assert again["retry_of"] == run_id
    several = cli("show", run_id[:4])
    assert (several.code, several.out) == (1, "")
    assert f"{again['run_id']}, {run_id}. Give more of its letters." in several.err
