from __future__ import annotations

import pytest

from chalicelib.errors import SettingsError
from chalicelib.settings import Settings


@pytest.mark.parametrize(
    "value",
    ["127.0.0.1", "0.0.0.0", "::", "::1", "fe80::1%eth0", "localhost", "ops.example.org", "büro"],  # noqa: S104 - text
)
def test_an_address_or_a_name_is_taken_as_it_is(value: str) -> None:
    assert Settings.read({"API_HOST": value}).api_host == value


def test_an_empty_address_is_unset() -> None:
    assert Settings.read({"API_HOST": ""}).api_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        ("*", "0.0.0.0 for all addresses"),
        ("+", "0.0.0.0 for all addresses"),
        ("ANY", "0.0.0.0 for all addresses"),
        ("[::]", "without brackets"),
        ("[fd00::1]", "without brackets"),
        ("0.0.0.0:8080", "the port goes into API_PORT"),
        ("*:8080", "the port goes into API_PORT"),
        (":8080", "the port goes into API_PORT"),
        ("[::]:8080", "the port goes into API_PORT"),
        ("localhost:80", "the port goes into API_PORT"),
        ("http://0.0.0.0", "the port goes into API_PORT"),
        ("tcp://0.0.0.0:8080", "the port goes into API_PORT"),
        ("0.0.0.0/0", "write one IP address or host name"),
        ("127.0.0.1,::1", "write one IP address or host name"),
        ("127.0.0.1 10.0.0.1", "write one IP address or host name"),
        ("10.0.*.*", "write one IP address or host name"),
    ],
)
def test_other_spellings_are_refused_with_what_to_write(value: str, instead: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"API_HOST": value})
    assert "API_HOST" in str(refused.value)
    assert instead in str(refused.value)
