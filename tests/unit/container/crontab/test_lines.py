"""Lines as cron reads them; the expectations are those of crontab(5) and of cron's own source."""

from __future__ import annotations

import pytest

from sauron.crontab import lines


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("A=b", ("A", "b")),
        ("  PATH = /usr/bin:/bin  ", ("PATH", "/usr/bin:/bin")),
        ("A=b c # d", ("A", "b c # d")),
        ('A="  b  "', ("A", "  b  ")),
        ("A = ' b' ", ("A", " b")),
        ("'A'=b", ("A", "b")),
        ('A=b "c"', ("A", 'b "c"')),
        ("A=$HOME/bin", ("A", "$HOME/bin")),
        ("MAILTO=", ("MAILTO", "")),
        ('MAILTO=""', ("MAILTO", "")),
        ("A=b=c", ("A", "b=c")),
        ('A="b" c', None),
        ('A="b', None),
        ("* * * * * A=b env", None),
        ("@daily A=b env", None),
        ("0 5 * * * test 1 = 1", None),
        ("word", None),
    ],
)
def test_an_environment_line_is_read_as_cron_reads_it(line: str, found: tuple[str, str] | None) -> None:
    assert lines.environment(line) == found


@pytest.mark.parametrize(
    ("line", "fields", "rest"),
    [
        ("0 5 * * 1 a  b", "0 5 * * 1", "a  b"),
        ("\t*/5\t*  * jan,feb mon-fri\ta", "*/5 * * jan,feb mon-fri", "a"),
        ("@hourly  a b", "@hourly", "a b"),
        ("@reboot", "@reboot", ""),
        ("-0 5 * * * quiet", "0 5 * * *", "quiet"),
        ("0 5 * * *", "0 5 * * *", ""),
        ("*/10 * * * * * * a b", "*/10 * * * * * *", "a b"),
        ("0 30 8 * * mon-fri 2027 a", "0 30 8 * * mon-fri 2027", "a"),
        ("0 5 * * * 2027 a", "0 5 * * * 2027", "a"),
        ("0 5 * * * 7z a x", "0 5 * * *", "7z a x"),
        ("0 5 * * * mon-check x", "0 5 * * *", "mon-check x"),
        ("0 5 * * * /bin/x", "0 5 * * *", "/bin/x"),
        ("99 5 * * * a", "99 5 * * *", "a"),
    ],
)
def test_a_schedule_ends_where_the_command_begins(line: str, fields: str, rest: str) -> None:
    assert lines.scheduled(line) == (tuple(fields.split()), rest)


@pytest.mark.parametrize("line", ["backup the shop", "0 5 * *", "/bin/x", "  --option value", "a b c d e f"])
def test_what_is_no_schedule_is_none(line: str) -> None:
    assert lines.scheduled(line) is None


@pytest.mark.parametrize(
    ("written", "text", "stdin"),
    [
        ("a b", "a b", None),
        (r"date +\%F", "date +%F", None),
        ("mail x%one%two%", "mail x", "one\ntwo\n"),
        ("mail x%one%two", "mail x", "one\ntwo\n"),
        (r"cat%100\% of\x%\\", "cat", "100% of\\x\n\\\\\n"),
        (r"echo \\%in", r"echo \\", "in\n"),
        ("cat%%", "cat", "\n"),
        ("cat%", "cat", None),
        (r"grep '\.'", r"grep '\.'", None),
    ],
)
def test_a_percent_sign_ends_the_command_and_the_lines_of_its_input(
    written: str, text: str, stdin: str | None
) -> None:
    assert lines.command(written) == (text, stdin)
