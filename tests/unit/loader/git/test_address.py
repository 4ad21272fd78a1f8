"""An address is accepted in a few forms, or refused with what to write; no credentials are shown."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.address import parse_address
from sauron_jobs_loader.masking import Masker, address_credentials, shown_address
from tests.unit.loader.git.sources import TOKEN, Kind

SECRETS = [
    "Zebra77",
    *(f"Zebra7{sign}Quagga8" for sign in "/#?:@ %&+\\"),
    "Zebra7%2FQuagga8",
    "77/Quagga8",
]
SPELLINGS = [
    "https://bot:{secret}@host/o/r",
    "HTTPS://bot:{secret}@host/o/r",
    "http://bot:{secret}@host/o/r",
    "https://{secret}@host/o/r",
    "https://{secret}:x-oauth-basic@host/o/r",
    "https://{secret}:@host/o/r",
    "https://:{secret}@host/o/r",
    "ssh://git:{secret}@host/o/r",
    "git+ssh://git:{secret}@host/o/r",
    "ftp://bot:{secret}@host/o/r",
    "git://bot:{secret}@host/o/r",
    "/https://bot:{secret}@host/o/r",
    "./https://bot:{secret}@host/o/r",
    "https:/bot:{secret}@host/o/r",
    "https:///bot:{secret}@host/o/r",
    "//bot:{secret}@host/o/r",
    "x-access-token:{secret}@host/o/r.git",
    "bot:{secret}@host:o/r",
    "https://bot:{secret}@host:port/o/r",
    "https://bot:{secret}@/o/r",
    "https://bot:{secret}@host",
    "https://bot:{secret}@host/o/r?a=b#c",
]


@pytest.mark.parametrize(
    ("url", "display", "scheme"),
    [
        ("https://github.com/org/repo.git", "https://github.com/org/repo.git", "https"),
        ("https://github.com:8443/org/repo", "https://github.com:8443/org/repo", "https"),
        (" https://github.com/org/repo\n", "https://github.com/org/repo", "https"),
        ("HTTPS://GitHub.com/org/repo", "https://github.com/org/repo", "https"),
        ("http://127.0.0.1:3000/org/repo", "http://127.0.0.1:3000/org/repo", "http"),
        ("http://[::1]:3000/org/repo", "http://[::1]:3000/org/repo", "http"),
        ("ssh://git@github.com/org/repo.git", "ssh://git@github.com/org/repo.git", "ssh"),
        ("ssh://git@host:2222/repo", "ssh://git@host:2222/repo", "ssh"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git", "ssh"),
        ("host:repo.git", "host:repo.git", "ssh"),
        ("file:///srv/a%20b", "/srv/a b", "file"),
        ("/srv/bundle", "/srv/bundle", "file"),
        ("/srv/-odd: name", "/srv/-odd: name", "file"),
    ],
)
def test_an_accepted_address_is_shown_as_git_uses_it(url: str, display: str, scheme: str) -> None:
    address = parse_address(url)
    assert (address.display, address.url, address.scheme) == (display, display, scheme)


def test_a_relative_path_is_taken_from_the_working_folder(tmp_path: Path) -> None:
    assert parse_address("./bundle").url == str(Path.cwd() / "bundle")


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("", "https://host/org/repo.git"),
        ("ext::sh -c touch% /tmp/owned", "https://host/org/repo.git"),
        ("ext::touch", "would make git run a program"),
        ("fd::17/foo", "would make git run a program"),
        ("--upload-pack=touch /tmp/owned", "option"),
        ("-x", "option"),
        ("git://github.com/org/repo", "git://"),
        ("ftp://host/repo", "ftp://"),
        ("http://github.com/org/repo", "write https://github.com/org/repo"),
        ("http://localhost.evil.test/org/repo", "write https://"),
        ("github.com/org/repo", "write https://github.com/org/repo or git@github.com:org/repo"),
        ("git@github.com/org/repo", "git@github.com:org/repo"),
        ("bundle", "starts with ./"),
        ("~/bundle", "write /"),
        ("https://github.com", "lacks the path of a repository"),
        ("https:///org/repo", "lacks a host name"),
        ("https://a..b-/repo", "has an invalid host name (a..b-)"),
        ("git@[1:2:3]:repo", "has an invalid IPv6 address (1:2:3)"),
        ("https://github.com/org/repo?token=abc", "JOBS_GIT_TOKEN"),
        ("https://github.com/org/repo#main", "remove the ? or #"),
        ("https://host:port/repo", "is not a valid URL"),
        ("https://ho st/repo", "space"),
        ("ssh://-oProxyCommand=touch/repo", "host"),
        ("-oProxyCommand=touch:repo", "option"),
        ("ssh://git:pw@host/repo", "password"),
        ("ssh://-x@host/repo", "user name"),
        ("git@host:-repo", "dash"),
        ("file://server/share/repo", "file:///path/to/repo"),
        ("/srv/a\nb", "control"),
    ],
)
def test_any_other_address_is_refused_with_what_to_write(
    kind: Kind, url: str, instead: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        kind(url, root=tmp_path)
    assert instead in str(caught.value)
    assert caught.value.fault is SourceFault.ADDRESS
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    [f"https://user:{TOKEN.replace('/', '%2F')}@host/repo", f"https://{TOKEN.replace('/', '%2F')}@host/repo"],
)
def test_a_token_in_the_url_is_moved_out_of_it(url: str) -> None:
    address = parse_address(url)
    assert address.url == address.display == "https://host/repo"
    assert address.token == TOKEN
    assert TOKEN not in repr(address)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_spelling_of_an_address_shows_the_credentials_in_it(secret: str) -> None:
    pieces = re.findall(r"[A-Z]\w+", secret)
    assert pieces
    maskers: dict[frozenset[str], Masker] = {}
    for url in (spelling.format(secret=secret) for spelling in SPELLINGS):
        try:
            address = parse_address(url)
        except SourceError as refused:
            said = f"{refused} {refused.url}"
        else:
            said = f"{address!r} {address.display} {address.url}"
        credentials = frozenset(address_credentials(url))
        masker = maskers.setdefault(credentials, Masker(credentials))
        assert not [piece for piece in pieces if piece in said], url
        assert {secret, unquote(secret)} <= credentials, url
        assert not [piece for piece in pieces if piece in shown_address(url)], url
        assert not [piece for piece in pieces if piece in masker.text(f"in {url}")], url


@pytest.mark.parametrize(
    "spelling", ["{0}@host:o/r", "ssh://{0}@host/o/r", "ssh://{0}@host:o/r", "{0}@host:2222/o/r"]
)
def test_a_token_that_is_written_as_the_user_of_ssh_is_not_shown(spelling: str) -> None:
    token = "ghp_" + "Zebra7" * 6
    url = spelling.format(token)
    try:
        address = parse_address(url)
    except SourceError as refused:
        said = f"{refused} {refused.url}"
    else:
        assert token in address.url  # ssh signs in by it
        said = f"{address!r} {address.display}"
    assert token not in said + shown_address(url)
    assert address_credentials(url) == {token}


@pytest.mark.parametrize("url", ["~nobody-of-that-name/repo", "~nobody-of-that-name"])
def test_the_home_of_nobody_is_refused_like_any_other(url: str) -> None:
    with pytest.raises(SourceError, match="write the absolute path"):
        parse_address(url)


def test_an_at_in_the_path_is_written_otherwise() -> None:
    with pytest.raises(SourceError, match="%40 for @"):
        parse_address("https://host/o/r@2")
    assert parse_address("https://host/o/r%402").url == "https://host/o/r%402"


def test_a_token_with_a_line_break_is_refused_without_being_shown(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="JOBS_GIT_TOKEN") as caught:
        kind("https://host/repo", root=tmp_path, token="secret\nX-Evil: 1")
    assert "secret" not in str(caught.value)
