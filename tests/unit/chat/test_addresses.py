"""SAURON_ALERT_URLS: each mistake with its cure, names that stay, and secrets that are masked."""

from __future__ import annotations

import pytest

from chalicelib.errors import SettingsError
from chalicelib.settings import Settings

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
DISCORD = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
JSON = "json://ops:hunter22@127.0.0.1:9/notifications"


def names(*urls: str) -> dict[str, str]:
    settings = Settings.read({"SAURON_ALERT_URLS": "\n ".join(urls)})
    return {one.url: one.name for one in settings.alert_urls or ()}


def test_a_channel_keeps_its_name_when_the_list_is_ordered_anew_and_counts_once() -> None:
    found = names(SLACK, DISCORD, JSON)
    assert [name.partition("-")[0] for name in found.values()] == ["slack", "discord", "json"]
    assert names(JSON, SLACK, SLACK, DISCORD) == found
    other = names(JSON.replace("hunter22", "hunter23"))
    assert set(other.values()).isdisjoint(found.values())


def test_an_address_that_a_service_gave_out_is_read_as_the_services_own() -> None:
    url = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert names(url)[url].startswith("slack-")


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("slak://hiddenpart/b/c", "(slak://): apprise knows no such service; did you mean slack://?"),
        ("qqqq9://hiddenpart", "(qqqq9://): apprise knows no such service; write for example slack://"),
        ("hiddenpart", "address 1 has no scheme; write for example slack://"),
        ("slack://hiddenpart", "apprise cannot use it, a part is missing or wrong; write slack://{token_a}"),
        ("json://", "a part is missing or wrong; write json://{host}"),
        ("https://hiddenpart.example.org/x", "write json:// or jsons://"),
        (f"{SLACK},", "separate addresses with spaces, not with commas"),
        (f"{SLACK},{DISCORD}", "separate addresses with spaces, not with commas"),
        ("jsons://hiddenpart/?verify=no", "verify=no lets anyone in between read along"),
    ],
)
def test_a_mistake_says_what_to_write_and_shows_nothing_but_the_scheme(url: str, cure: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"SAURON_ALERT_URLS": url})
    assert cure in str(refused.value)
    assert "hiddenpart" not in str(refused.value)
    assert "TIiajkdn" not in str(refused.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read(
            {
                "SAURON_ALERT_URLS": f"slak://x {SLACK} nothing",
                "SAURON_SMTP_URL": "smtp://:25",
                "API_PORT": "x",
            }
        )
    told = str(refused.value)
    for part in (
        "address 1 (slak://)",
        "address 3 has no scheme",
        "SAURON_SMTP_URL: the host is",
        "API_PORT",
    ):
        assert part in told
    assert "address 2" not in told


def test_parts_that_look_random_are_masked_and_ordinary_words_are_not() -> None:
    settings = Settings.read({"SAURON_ALERT_URLS": f"{SLACK} {DISCORD} {JSON}"})
    for secret in ("T1JJ3T3L2", "TIiajkdnlazkcOXrIdevi7FQ", "JHMHI8qBe7bk2ZwO5U711o3dV_js", "hunter22"):
        assert settings.masked(f"<{secret}>") == "<***>"
    kept = "127.0.0.1 has notifications about discord and slack"
    assert settings.masked(kept) == kept
    assert "hunter22" not in repr(settings)
