from __future__ import annotations

from pathlib import Path

import pytest

from sauron.crontab.entries import Comment, CronJob, Entry, LeftOut
from sauron.crontab.reading import read


def jobs(entries: list[Entry]) -> list[CronJob]:
    return [entry for entry in entries if isinstance(entry, CronJob)]


def left_out(entries: list[Entry]) -> list[LeftOut]:
    return [entry for entry in entries if isinstance(entry, LeftOut)]


def comments(entries: list[Entry]) -> list[str]:
    return [entry.text for entry in entries if isinstance(entry, Comment)]


def test_variables_and_zones_hold_for_the_lines_below_them() -> None:
    found = jobs(
        read(
            b"0 1 * * * a\nTZ=America/New_York\nGREETING = 'hello  you'\n0 2 * * * b\n"
            b"CRON_TZ=Europe/Berlin\nSHELL=/bin/bash\n0 3 * * * c\nCRON_TZ=\nGREETING=\n0 4 * * * d\n"
        )
    )
    assert [job.timezone for job in found] == ["UTC", "America/New_York", "Europe/Berlin", "America/New_York"]
    assert [job.shell for job in found] == ["/bin/sh", "/bin/sh", "/bin/bash", "/bin/bash"]
    zone = ("TZ", "America/New_York")
    assert [job.variables for job in found] == [
        (),
        (zone, ("GREETING", "hello  you")),
        (zone, ("GREETING", "hello  you")),
        (zone, ("GREETING", "")),
    ]


def test_values_of_secrets_are_in_nothing_that_is_read() -> None:
    found = read(
        b"#API_TOKEN=abcdefgh-old\nAPI_TOKEN=abcdefgh-new\nDB=postgres://me:abcdefgh-pw@h/db\nKEY=short\n"
        b"* * * * * a\n"
    )
    [job] = jobs(found)
    assert job.secrets == ("API_TOKEN", "DB")
    assert job.variables == (("KEY", "short"),)
    assert "abcdefgh" not in repr(found)
    told = "API_TOKEN holds a secret: set it where Sauron runs. It is not written here."
    assert told in comments(found)


@pytest.mark.parametrize(
    "line",
    [
        b"DB.PASSWORD=abcdefgh-secret",
        b"DB_PASSWORD=p\xe4ss-abcdefgh-secret",
        b"API_TOKEN='abcdefgh-secret",
        b"export API_TOKEN=abcdefgh-secret",
        b"# export API_TOKEN=abcdefgh-secret",
        b"#  'API_TOKEN' = abcdefgh-secret",
        b"set API_TOKEN = abcdefgh-secret",
    ],
)
def test_a_secret_in_a_line_that_is_no_variable_is_not_read_either(line: bytes) -> None:
    found = read(line + b"\n* * * * * a\n")
    assert "abcdefgh" not in repr(found)
    assert "=..." in repr(found)


def test_the_comment_right_above_a_line_describes_it_and_every_other_one_is_kept() -> None:
    found = read(
        b"# Edit this file\n#\n# m h  dom mon dow   command\n0 1 * * * a\n\n## The nightly\n#   backup\n"
        b"0 2 * * * b\n# of b no more\n\n# Count 5 of the day\n0 3 * * * c\n#0 4 * * * old\n0 5 * * * d\n"
        b"# |  .------ hour\n0 6 * * * e\n# the end\n"
    )
    assert [job.description for job in jobs(found)] == [
        "",
        "The nightly backup",
        "Count 5 of the day",
        "",
        "",
    ]
    assert comments(found) == [
        "Edit this file",
        "m h  dom mon dow   command",
        "of b no more",
        "0 4 * * * old",
        "|  .------ hour",
        "the end",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("@reboot /srv/start", "a job cannot fire at start"),
        ("*/10 * * * * * * each", "7 fields, with seconds or years"),
        ("0 5 * * * 2027 once", "6 fields, with seconds or years"),
        ("0 5 * * * * six", "6 fields, with seconds or years"),
        ("0 30 8 * * mon-fri 2027 then", "7 fields, with seconds or years"),
        ("0 0 31 2 * never", "never fires"),
        ("0 5 * * fri-mon weekend", "the range runs backwards"),
        ("H 5 * * * hashed", "jitter_minutes"),
        ("0 5 * * *", "no command stands behind the schedule"),
        ("0 5 * * *   ", "no command stands behind the schedule"),
        ("0 5 * * * %only input", "no command stands behind the schedule"),
        ("0 5 * * * a \\", "cron joins no lines"),
        ("  --more words", "it is not a variable"),
        ("CRON_TZ='Europe/Berlin", "it is not a variable"),
        ("LOGNAME=me", "cron itself sets LOGNAME"),
        ("a.b=c", "not a variable that a shell can use"),
    ],
)
def test_a_line_without_an_equal_is_left_out_with_its_place_and_the_reason(line: str, reason: str) -> None:
    found = read(f"\n# about it\n{line}\n* * * * * good\n".encode())
    [one] = left_out(found)
    assert (one.line, one.text) == (3, line.strip())
    assert reason in one.reason
    assert [job.text for job in jobs(found)] == ["good"]
    assert comments(found) == ["about it"]


def test_seconds_at_zero_in_any_year_are_the_five_fields() -> None:
    [job] = jobs(read(b"0 30 8 * * mon-fri * a\n"))
    assert job.cron == "30 8 * * mon-fri"


def test_a_zone_that_is_none_leaves_the_lines_below_it_out() -> None:
    found = read(b"CRON_TZ=Mars/Olympus\n0 5 * * * a\nCRON_TZ=UTC\n0 6 * * * b\n")
    assert "Mars/Olympus" in left_out(found)[0].reason
    assert [job.text for job in jobs(found)] == ["b"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf0 5 * * * a b\r\nX=1\r\n0 6 * * * c",
        b"0 5 * * * a b\nX=1\n0 6 * * * c\n",
        b"0 5 * * * a b  \r\n\r\nX=1\r\n0 6 * * * c\r\n",
    ],
)
def test_line_ends_and_marks_of_editors_change_nothing(data: bytes) -> None:
    found = jobs(read(data))
    assert [(job.cron, job.text, job.variables) for job in found] == [
        ("0 5 * * *", "a b", ()),
        ("0 6 * * *", "c", (("X", "1"),)),
    ]


def test_bytes_that_are_not_utf_8_stop_their_line_alone() -> None:
    found = read(
        "# M\u00fcll\n0 5 * * * a\n".encode("latin-1") + b"0 6 * * * \xfc\n0 7 * * * a\0b\n0 8 * * * c\n"
    )
    assert [(job.text, job.description) for job in jobs(found)] == [("a", "M\u00fcll"), ("c", "")]
    assert [one.line for one in left_out(found)] == [3, 4]
    assert "not UTF-8" in left_out(found)[0].reason


@pytest.mark.parametrize("value", ["ops@example.org", ""])
def test_mail_of_cron_becomes_a_comment_that_names_its_setting(value: str) -> None:
    found = read(f'MAILTO="{value}"\n* * * * * a\n'.encode())
    assert "ALERT_EMAIL" in comments(found)[0]
    assert value in comments(found)[0]
    assert jobs(found)[0].variables == ()


SYSTEM = b"17 * * * * root cd / && run-parts /etc/cron.hourly\n@daily deploy /srv/run.sh x\n"
TWO_WORDS = b"17 * * * * backup /srv\n@daily rsync /a /b\n"


def known(name: str) -> bool:
    return name in {"root", "backup", "deploy", "cd"}


@pytest.mark.parametrize(
    ("data", "more", "users"),
    [
        (SYSTEM, {}, ["root", "deploy"]),
        (TWO_WORDS.replace(b"rsync", b"python3"), {}, [None, None]),
        (TWO_WORDS.replace(b"rsync", b"python3"), {"system": True}, ["backup", "python3"]),
        (TWO_WORDS, {"file": Path("/etc/cron.d/shop")}, ["backup", "rsync"]),
        (b"* * * * * deploy /srv/a\n", {}, ["deploy"]),
        (b"* * * * * cd /srv && a\n", {}, [None]),
        (b"* * * * * deploy\n", {}, [None]),
        (b"* * * * * root /x\n* * * * * /srv/y z\n", {}, ["root", None]),
    ],
)
def test_a_column_with_the_user_is_recognised(
    data: bytes, more: dict[str, object], users: list[str | None]
) -> None:
    found = jobs(read(data, is_user=known, **more))  # type: ignore[arg-type]
    assert [job.user for job in found] == users
    assert all(not job.text.startswith(f"{job.user} ") for job in found)
    assert all(bool(job.user) == any("ran it as" in note for note in job.notes) for job in found)


def test_a_line_of_the_system_without_a_command_behind_its_user_is_left_out() -> None:
    [one] = left_out(read(b"0 5 * * * root\n", system=True))
    assert one.reason == "no command stands behind the user"


def test_a_command_that_leaves_a_process_behind_is_told() -> None:
    left, *others = jobs(read(b"* * * * * a &\n* * * * * a && b\n* * * * * a 2>&1\n* * * * * a & b\n"))
    assert "take the `&` away" in left.notes[0]
    assert all(not job.notes for job in others)


def test_a_command_that_holds_a_secret_is_told() -> None:
    shown = [
        "PGPASSWORD=correct-horse pg_dump shop",
        "curl -H 'Authorization: Bearer abcdef123456' https://shop.example.org",
        "mysqldump --password=correct-horse shop",
        "tool --api-key correct-horse-battery",
        "curl https://ops:correct-horse@shop.example.org/ping",
        "SLACK_WEBHOOK=https://chat.example.org/T0/B0/xyz alarm",
    ]
    harmless = [
        'PGPASSWORD="$SHOP_PASSWORD" pg_dump shop',
        'curl -H "Authorization: Bearer $TOKEN" https://shop.example.org',
        "mysqldump --password=$PASSWORD shop",
        "pass show key",
        "backup --compress=9 --keep-days=30",
        "ssh deploy@shop.example.org uptime",
    ]
    text = "".join(f"* * * * * {line}\n" for line in [*shown, *harmless])
    told = {
        job.text for job in jobs(read(text.encode())) if any("seems to hold a secret" in n for n in job.notes)
    }
    assert told == set(shown)
