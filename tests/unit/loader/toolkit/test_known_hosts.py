"""Whose key is known: the forms that known_hosts lines take."""

from __future__ import annotations

import base64
import hmac

import pytest

from sauron_jobs_loader.toolkit.known_hosts import HostKeyError, KnownHosts, host_name, is_inline, parsed

BLOB = b"a public key"
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()}"


def known(*lines: str) -> KnownHosts:
    return KnownHosts(tuple(parsed(lines)), "here")


def hashed(name: str) -> str:
    salt = b"12345678901234567890"
    digest = hmac.new(salt, name.encode(), "sha1").digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("names", "host", "port", "fits"),
    [
        ("box.example.com", "box.example.com", 22, True),
        ("box.example.com", "BOX.example.com", 22, True),
        ("box.example.com,10.0.0.1", "10.0.0.1", 22, True),
        ("[box.example.com]:2222", "box.example.com", 2222, True),
        ("box.example.com", "box.example.com", 2222, False),
        ("*.example.com", "box.example.com", 22, True),
        ("*.example.com,!box.example.com", "box.example.com", 22, False),
        ("b?x", "box", 22, True),
        ("[a-z]", "b", 22, False),
        (hashed("box.example.com"), "box.example.com", 22, True),
        (hashed("[box.example.com]:2222"), "box.example.com", 2222, True),
        (hashed("box.example.com"), "other.example.com", 22, False),
        ("|1|broken", "box", 22, False),
        ("::1", "::1", 22, True),
    ],
)
def test_a_line_knows_the_hosts_it_names(names: str, host: str, port: int, fits: bool) -> None:
    assert (known(f"{names} {KEY}").kinds(host_name(host, port)) == ["ssh-ed25519"]) is fits


def test_lines_that_say_nothing_know_nobody() -> None:
    assert known("# box " + KEY, "", "box", "box ssh-ed25519 %%%", "@cert-authority * " + KEY).keys == ()


def test_every_refusal_shows_the_line_that_would_be_right() -> None:
    for lines in (
        (),
        (f"box ssh-ed25519 {base64.b64encode(b'other').decode()}",),
        (f"box ssh-rsa {KEY.split()[1]}",),
    ):
        with pytest.raises(HostKeyError, match=f"box {KEY}$"):
            known(*lines).check("box", "ssh-ed25519", BLOB)
    known(f"box {KEY}").check("box", "ssh-ed25519", BLOB)


@pytest.mark.parametrize(
    ("text", "inline"),
    [
        ("/etc/ssh/known_hosts", False),
        ("/my folder/known hosts", False),
        (f"box {KEY}", True),
        ("|1|a|b ecdsa-sha2-nistp256 A", True),
    ],
)
def test_a_setting_is_a_file_or_the_lines_themselves(text: str, inline: bool) -> None:
    assert is_inline(text) is inline
