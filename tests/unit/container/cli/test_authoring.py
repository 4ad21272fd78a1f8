from __future__ import annotations

import pytest

from tests.unit.container.cli.conftest import Cli


def test_cron_explains_an_expression_in_words_and_local_times(cli: Cli) -> None:
    said = cli("cron", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T12:00", "-n", "1")
    assert said.code == 0
    assert said.out.splitlines() == [
        "at 02:30 (Europe/Berlin)",
        "  Sun 2026-03-29 03:00 CEST  (2026-03-29T01:00:00Z)",
    ]


@pytest.mark.parametrize("words", [("0", "2", "*", "*", "*"), ("0 2", "README.md", "Makefile")])
def test_cron_that_the_shell_has_parted_asks_for_quotes(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli("cron", *words, "--tz", "Europe/Berlin")
    assert said.code == 2
    assert "put it in quotes, as in sauron cron '0 8 * * 1-5'" in said.err
    assert "README" not in said.err


def test_cron_in_json_has_every_time_in_utc_and_in_its_zone(cli: Cli) -> None:
    known = cli("cron", "@daily", "--from", "2026-03-02T12:00:00Z", "-n", "2", "--json").json
    assert known["next_runs"] == ["2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z"]
    assert known["local"] == ["2026-03-03T00:00:00+00:00", "2026-03-04T00:00:00+00:00"]


def test_cron_remarks_on_a_zone_whose_name_misleads(cli: Cli) -> None:
    said = cli("cron", "@daily", "--tz", "EST")
    assert said.code == 0
    assert "'EST' has no summer time" in said.err
    assert "America/New_York" not in said.out
    assert "America/New_York" in cli("cron", "@daily", "--tz", "EST", "--json").json["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("* * * *",), "five"),
        (("* * * * *", "--tz", "Mars/Olympus"), "Mars/Olympus"),
        (("* * * * *", "--from", "soon"), "'soon' is not a valid time. Write for example"),
    ],
)
def test_a_refused_expression_is_exit_2_with_the_reason(
    cli: Cli, arguments: tuple[str, ...], fault: str
) -> None:
    said = cli("cron", *arguments)
    assert (said.code, said.out) == (2, "")
    assert fault in said.err


def test_a_bundle_is_checked_on_this_machine_only(cli: Cli) -> None:
    said = cli("check", ".", "--url", "http://127.0.0.1:9")
    assert said.code == 2
    assert "check works on this machine only" in said.err
