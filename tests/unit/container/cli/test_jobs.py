from __future__ import annotations

import time

import pytest

from chalicelib.store import Store
from tests.conftest import ManualClock, define
from tests.unit.container.cli.conftest import Cli


@pytest.fixture(autouse=True)
def _jobs(store: Store, clock: ManualClock) -> None:
    define(store, clock, "backup", "0 3 * * *", tags=["ops"])
    define(store, clock, "digest", "0 8 * * *", enabled=False)


def test_list_shows_enabled_jobs_and_all_of_them_with_their_state(cli: Cli) -> None:
    quiet, everything = cli("list").out, cli("list", "-a").out
    assert "at 03:00" in quiet
    assert "digest" not in quiet
    assert [line.split()[:2] for line in everything.splitlines()[1:]] == [["backup", "on"], ["digest", "off"]]


def test_list_shows_the_cron_expression_as_the_manifest_has_it_and_the_words_for_it(
    cli: Cli, store: Store, clock: ManualClock
) -> None:
    define(store, clock, "yearly", "0 0 1 jan *", tags=["money", "slow"], project="books")
    for said in (cli("list"), cli("list", "-a")):
        lines = {line.split()[0]: line for line in said.out.splitlines()}
        assert "  0 0 1 jan *  " in lines["yearly"]
        assert "in January" in lines["yearly"]
        assert "money, slow" in lines["yearly"]
        assert "books" in lines["yearly"]
        assert "  0 3 * * *  " in lines["backup"]
    assert "project" not in cli("list", "--tag", "ops").out


def test_next_shows_the_cron_expression_of_each_run(cli: Cli) -> None:
    assert all("0 3 * * * (UTC)" in line for line in cli("next", "-n", "2").out.splitlines()[1:])


def test_an_empty_list_says_how_to_see_more(cli: Cli) -> None:
    said = cli("list", "--tag", "none")
    assert said.out == ""
    assert "No job matches. To include disabled jobs: `sauron list -a`." in said.err


def test_next_lists_the_coming_runs(cli: Cli) -> None:
    found = cli("next", "-n", "2", "--json").json
    assert [one["job_id"] for one in found["next_runs"]] == ["backup", "backup"]


def test_a_switch_says_until_when_and_why(cli: Cli) -> None:
    off = cli("disable", "backup", "--until", "2h", "--reason", "moving")
    assert off.out.startswith("backup is off.\n")
    assert "moving" in off.out
    assert cli("enable", "backup", "--json").json["enabled"] is True
    assert "on by" in cli("list", "-a").out


@pytest.mark.parametrize("until", ["soon", "3 days", "12x"])
def test_a_time_that_is_not_one_is_refused_with_what_to_write(cli: Cli, until: str) -> None:
    said = cli("disable", "backup", "--until", until)
    assert said.code == 2
    assert (
        f"{until!r} is not a valid time. Write for example 2026-01-31T08:00:00Z (ISO 8601), or a duration"
        in said.err
    )


@pytest.mark.parametrize(
    "words",
    [
        ("disable", "backup", "--until", "9999-12-31T23:59:59.9999999-05:00"),
        ("enable", "backup", "--until", "999999w"),
        ("runs", "--since", "0001-01-01T00:00:00+01:00"),
        ("runs", "--since", "999999w"),
        ("cron", "* * * * *", "--from", "0001-01-01T00:00", "--tz", "Asia/Tokyo"),
        ("cron", "* * * * *", "--from", "0001-01-01T00:00:00Z"),
        ("cron", "@yearly", "--from", "9899-06-01T00:00:00Z"),
    ],
)
def test_a_time_that_cannot_be_reckoned_with_is_wrong_use(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words)
    assert (said.code, said.out) == (2, "")
    assert "outside the years" in said.err
    assert "Traceback" not in said.err


def test_a_switch_until_the_last_day_of_all_is_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        said = cli("disable", "backup", "--until", "9999-12-31T23:59:59z")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert (said.code, "9999-12-31T23:59:59Z" in said.out) == (0, True)
