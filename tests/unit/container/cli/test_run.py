from __future__ import annotations

import pytest

from chalicelib.clock import iso
from chalicelib.store import Store, history, ledger
from tests.conftest import ManualClock, define
from tests.unit.container.cli.conftest import Cli


def test_a_preview_gives_the_reasons_and_keeps_their_older_key(
    cli: Cli, store: Store, clock: ManualClock
) -> None:
    define(store, clock, "backup", "0 3 1 1 *", enabled=False)
    said = cli("run", "backup", "--dry-run", "--json")
    assert said.code == 1
    assert said.json["would_run"] is False
    assert said.json["reasons"] == said.json["against"] == ["the job is disabled: sauron enable backup"]
    assert cli("runs", "--json").json["runs"] == []


@pytest.mark.parametrize(
    "act", [["run", "gone"], ["run", "gone", "--dry-run"], ["run", "gone", "--direct"], ["enable", "gone"]]
)
def test_a_job_that_left_its_bundle_is_told_from_one_that_never_was(
    cli: Cli, store: Store, clock: ManualClock, act: list[str]
) -> None:
    job = define(store, clock, "gone", "0 3 1 1 *")
    with store.write() as tx:
        ledger.retire(tx, job, now=clock.now())
    said = cli(*act)
    assert (said.code, said.out) == (1, "")
    assert f"Job 'gone' was removed at {iso(clock.now())}" in said.err
    assert "sauron runs --job gone" in said.err


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_run_is_told_with_its_cron_expression_its_standing_and_its_limit(
    cli: Cli, store: Store, clock: ManualClock, options: list[str]
) -> None:
    define(store, clock, "backup", "0 3 1 jan *", timeout_seconds=1800)
    said = cli("run", "backup", *options)
    assert said.code == 0
    facts = dict(line.split(None, 1) for line in said.out.splitlines()[1:])
    assert (facts["cron"], facts["enabled"]) == ("0 3 1 jan *", "yes")
    assert "1800 s" in said.out


def test_waiting_without_a_runner_fails_and_queues_nothing(
    cli: Cli, store: Store, clock: ManualClock
) -> None:
    define(store, clock, "backup", "0 3 1 1 *")
    said = cli("run", "backup", "--wait")
    assert said.code == 1
    assert "No runner is up" in said.err
    assert cli("runs", "--json").json["runs"] == []


@pytest.mark.parametrize("option", ["--wait", "--force", "--no-chain", "--reason=x"])
def test_a_direct_run_refuses_options_of_the_queue(cli: Cli, option: str) -> None:
    said = cli("run", "backup", "--direct", option)
    assert said.code == 2
    assert "--direct does not use the queue" in said.err


def test_a_run_leads_on_unless_told_not_to_and_force_passes_a_pause(
    cli: Cli, store: Store, clock: ManualClock
) -> None:
    define(store, clock, "backup", "0 3 1 1 *")
    assert cli("run", "backup").code == 0
    made = cli("run", "backup", "--no-chain", "--json").json["queue_id"]
    assert cli("cancel", made).code == 0
    assert cli("pause").code == 0
    assert [cli(*asked).code for asked in (("run", "backup"), ("retry", made))] == [1, 1]
    again = cli("retry", made, "--force", "--json").json["run_id"]
    forced = cli("run", "backup", "--force", "--no-chain", "--json").json["queue_id"]
    with store.read() as tx:
        found = {run.id: (run.flows, run.force) for run in history.runs(tx)}
    assert [found[run_id] for run_id in (made, again, forced)] == [
        (False, False),
        (True, True),
        (False, True),
    ]
    assert sorted(found.values()).count((True, False)) == 1


def test_a_param_is_read_by_the_type_that_the_job_declares(
    cli: Cli, store: Store, clock: ManualClock
) -> None:
    schema = {"properties": {"text": {"type": "string"}, "n": {"type": "integer"}}}
    define(store, clock, "backup", "0 3 1 1 *", params={"schema": schema})
    given = ("run", "backup", "--param", "text=5", "--param", "n=5")
    for preview in ([], ["--dry-run"]):
        assert cli(*given, *preview, "--json").code == 0
    [run] = cli("runs", "--json").json["runs"]
    assert run["params"] == {"text": "5", "n": 5}
    refused = cli("run", "backup", "--param", "n=many")
    assert refused.code == 2
    assert "Write a whole number, such as n=5" in refused.err
    assert "there is no parameter 'm'" in cli("run", "backup", "--dry-run", "--param", "m=5").out


@pytest.mark.parametrize("options", [["--from", "."], ["--from", ".", "--direct", "--dry-run"]])
def test_a_folder_is_run_directly_or_not_at_all(cli: Cli, options: list[str]) -> None:
    said = cli("run", "backup", *options)
    assert said.code == 2
    assert "--from goes with --direct" in said.err
