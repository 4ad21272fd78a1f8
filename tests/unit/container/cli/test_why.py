from __future__ import annotations

import pytest

from chalicelib.scheduling.tick import tick
from chalicelib.store import Store
from tests.conftest import ManualClock, define
from tests.unit.container.cli.conftest import Cli

LONG_AGO = "2026-03-02T09:00"  # 08:00 UTC, before the job was there


def test_why_prints_the_sentence_and_the_facts(cli: Cli, store: Store, clock: ManualClock) -> None:
    define(store, clock, "nightly", "0 3 * * *", timezone="Europe/Berlin")
    tick(store, clock)
    said = cli("why", "nightly", "--at", LONG_AGO)
    assert (said.code, said.err) == (0, "")
    first = said.out.splitlines()[0]
    assert first.startswith("Job nightly was not defined yet at 2026-03-02 09:00 CET (08:00 UTC)")
    assert "answer" in said.out
    assert "not yet defined" in said.out
    assert "switched" not in said.out
    found = cli("why", "nightly", "--at", LONG_AGO, "--json").json
    assert (found["answer"], found["at"]) == ("not_yet_defined", "2026-03-02T08:00:00Z")
    assert found["sentence"] == first


@pytest.mark.parametrize("at", ["soon", "2026-03-02"])
def test_what_is_no_time_is_wrong_use(cli: Cli, at: str) -> None:
    said = cli("why", "nightly", "--at", at)
    assert (said.code, said.out) == (2, "")
    assert "Write for example 2026-01-31T08:00" in said.err


def test_an_unknown_job_is_exit_1_with_the_nearest(cli: Cli, store: Store, clock: ManualClock) -> None:
    define(store, clock, "nightly", "0 3 * * *")
    said = cli("why", "nigthly")
    assert (said.code, said.out) == (1, "")
    assert "Did you mean nightly?" in said.err


def test_its_help_shows_two_examples(cli: Cli) -> None:
    said = cli("why", "--help")
    assert said.code == 0
    assert said.out.count("  sauron why nightly-backup") == 2
