"""The manifest of a crontab: what its text does when it is loaded."""

from __future__ import annotations

import io
import tokenize
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.cron.schedule import Schedule
from sauron.crontab import bundle_text, reading
from sauron_jobs_loader import job_registry


def load(crontab: bytes) -> dict[str, dict[str, Any]]:
    """Execute the manifest of a crontab and return the records of its jobs by their ids."""
    text = bundle_text.manifest(reading.read(crontab))
    before = {job.id for job in job_registry.list_jobs()}
    try:
        exec(compile(text, "manifest.py", "exec"), {})  # noqa: S102 - it is what is tested
        made = [job for job in job_registry.list_jobs() if job.id not in before]
        return {job.id: job.record() for job in made}
    finally:
        for job in job_registry.list_jobs():
            if job.id not in before:
                job_registry.unregister(job.id)


CRONTAB = b"""
# Backup of the shop
30 2 * * 1-5   /srv/bin/pg-backup.sh shop
*/20 9-17 * * sat,0 status
CRON_TZ=America/New_York
GREETING="two  words"
SHELL=/bin/bash
0,15 0 1,15 * * mail ops%Dear all,%bye
@weekly /srv/bin/weekly
0 12 29 2 * leap
"""
LINES = {  # minute, hour, day of month, month, weekday (0 is Sunday) as sets, written down by hand
    "pg-backup-shop": ("UTC", {30}, {2}, None, None, {1, 2, 3, 4, 5}),
    "status": ("UTC", {0, 20, 40}, {9, 10, 11, 12, 13, 14, 15, 16, 17}, None, None, {0, 6}),
    "mail-ops": ("America/New_York", {0, 15}, {0}, {1, 15}, None, None),
    "weekly": ("America/New_York", {0}, {0}, None, None, {0}),
    "leap": ("America/New_York", {0}, {12}, {29}, {2}, None),
}


def walk(start: datetime, days: int) -> dict[str, list[datetime]]:
    """Return the minutes at which the lines fire, by looking at each."""
    fires: dict[str, list[datetime]] = {name: [] for name in LINES}
    for minute in range(days * 1440):
        at = start + timedelta(minutes=minute)
        for zone in ("UTC", "America/New_York"):
            here = at.astimezone(ZoneInfo(zone))
            values = (here.minute, here.hour, here.day, here.month, here.isoweekday() % 7)
            for name, (of_line, *sets) in LINES.items():
                if of_line == zone and all(
                    allowed is None or value in allowed for value, allowed in zip(values, sets, strict=True)
                ):
                    fires[name].append(at)
    return fires


def test_the_jobs_fire_when_the_lines_did() -> None:
    start = datetime(2028, 2, 26, tzinfo=UTC)
    fires = {
        name: list(
            Schedule(record["cron"], record["timezone"]).between(
                start - timedelta(seconds=1), start + timedelta(days=8, seconds=-1)
            )
        )
        for name, record in load(CRONTAB).items()
    }
    assert fires == walk(start, days=8)
    assert all(fires.values())


def test_a_command_is_run_by_its_shell_in_the_home_folder_with_its_variables_and_its_input() -> None:
    records = load(CRONTAB)
    assert records["pg-backup-shop"]["command"] == [
        "/bin/sh",
        "-c",
        'cd && exec "$0" -c "$1"',
        "/bin/sh",
        "/srv/bin/pg-backup.sh shop",
    ]
    assert records["mail-ops"]["command"] == [
        "env",
        "GREETING=two  words",
        "/bin/sh",
        "-c",
        'cd && printf %s "$2" | "$0" -c "$1"',
        "/bin/bash",
        "mail ops",
        "Dear all,\nbye\n",
    ]
    assert records["pg-backup-shop"]["description"] == "Backup of the shop"
    for record in records.values():
        assert (record["max_attempts"], record["timeout_seconds"], record["secrets"]) == (1, 86400, [])


HOSTILE = (
    "# one\rimport os\u2028\x0c\u202e\n* * * * * echo \"a\" 'b' \\\\ \\' {x} \u202e \x1b[2J\r#\t\u00e9\n"
    "@reboot x\ry \x07\n"
)


def test_nothing_of_a_crontab_is_code_of_the_manifest_or_drives_a_terminal() -> None:
    text = bundle_text.manifest(reading.read(HOSTILE.encode()))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    assert [token.string for token in tokens if token.type == tokenize.NAME].count("import") == 1
    [record] = load(HOSTILE.encode()).values()
    assert record["command"][-1] == "echo \"a\" 'b' \\\\ \\' {x} \u202e \x1b[2J\r#\t\u00e9"


def test_what_is_left_out_stands_in_its_place_with_the_reason() -> None:
    text = bundle_text.manifest(reading.read(b"@daily first\n@reboot /srv/start\n@daily last\n"))
    place = text.index("# Not imported (line 2): Cron '@reboot'")
    assert text.index('"first"') < place < text.index("#   @reboot /srv/start\n") < text.index('"last"')


def test_a_crontab_without_a_job_is_a_manifest_too() -> None:
    assert load(b"# nothing\n@reboot x\n") == {}
