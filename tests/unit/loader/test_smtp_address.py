"""The address of a mail server: what is read, and each mistake with what to write."""

from __future__ import annotations

import pytest

from sauron_jobs_loader.smtp_address import SmtpAddress, parse


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user", "password"),
    [
        ("smtp://mail.example.org", "mail.example.org", 587, False, None, None),
        ("SMTPS://mail.example.org/", "mail.example.org", 465, True, None, None),
        ("smtp://u:p@mail.example.org:25", "mail.example.org", 25, False, "u", "p"),
        ("smtp://me@x.org:p%2Fw@mail.example.org", "mail.example.org", 587, False, "me@x.org", "p/w"),
        ("smtps://u:a:b@[::1]:2465", "::1", 2465, True, "u", "a:b"),
    ],
)
def test_an_address_is_read_with_the_ports_that_mail_uses(
    url: str, host: str, port: int, tls: bool, user: str | None, password: str | None
) -> None:
    assert parse(url) == SmtpAddress(host, port, tls, user, password)


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("mail.example.org:587", "write smtp://user:password@"),
        ("http://mail.example.org", "write smtp://user:password@"),
        ("smtp://", "the host is missing"),
        ("smtp://u:hunter2@", "the host is missing"),
        ("smtp://:587", "the host is missing"),
        ("smtp://u:hunter2@h:port", "the host or port is invalid"),
        ("smtp://u:hunter2@h:70000", "the host or port is invalid"),
        ("smtp://u:hunter2@h:0", "port 0"),
        ("smtp://u:hunter2/x@h", "write %2F for /"),
        ("smtp://u:hunter2#x@h", "write %2F for /"),
        ("smtp://u:hunter2 x@h", "write %20"),
        ("smtp://u@h", "the password is missing"),
        ("smtp://:hunter2@h", "the user is missing"),
        ("smtp://u:hunter2@h/path", "nothing follows the port"),
        ("smtp://u:hunter2@h?tls=no", "nothing follows the port"),
    ],
)
def test_a_mistake_says_what_to_write_and_shows_no_password(url: str, cure: str) -> None:
    with pytest.raises(ValueError, match=cure.replace("?", r"\?")) as refused:
        parse(url)
    assert "hunter2" not in str(refused.value)
