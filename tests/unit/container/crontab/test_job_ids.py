from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sauron.crontab.job_ids import job_id
from tests.properties import examples

ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")  # the contract's rule


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/srv/bin/pg-backup.sh shop /srv/backup >> /var/log/x 2>&1", "pg-backup-shop"),
        ("/srv/bin/digest.py | mail -s 'Backups of the week' ops@example.org", "digest"),
        ("cd /srv/mirror/shop.git && git remote update --prune", "git-remote-update"),
        ("flock -n /run/nas.lock rsync -a --delete /srv/photos/ nas:/backup/", "rsync"),
        ("sudo -u app nice -n 10 /usr/bin/php -q /var/www/cron.php", "cron"),
        ("A=b C='d e' env X=y /opt/Tool", "tool"),
        ("test -x /usr/sbin/anacron || run-parts --report /etc/cron.daily", "run-parts"),
        ("[ -d /srv ] && { /srv/bin/Sync.sh; }", "sync"),
        ("bash -lc 'cd /srv && ./weekly.sh'", "weekly"),
        ("python3 -m reports.weekly --x", "reports.weekly"),
        ("bash -c './x.sh one'", "x-one"),
        ("> /var/log/x echo", "job"),
        ("/srv/bin/Größe_prüfen.sh", "groe_prufen"),
        ("sauron.backup", "sauron-backup"),
        ("if true; then x; fi", "x"),
        ("'unfinished", "unfinished"),
        ("\u65e5\u672c", "job"),
    ],
)
def test_an_id_is_the_name_of_what_does_the_work(command: str, name: str) -> None:
    assert job_id(command, ()) == name


def test_equal_commands_get_ids_of_their_own() -> None:
    taken: list[str] = []
    for command in (
        "run-parts /etc/cron.hourly",
        "run-parts /etc/cron.daily/",
        "run-parts x/cron.daily",
        "x",
    ):
        taken.append(job_id(command, taken))
    assert taken == ["run-parts", "run-parts-cron.daily", "run-parts-2", "x"]
    for _ in range(3):
        taken.append(job_id("a" * 80, taken))
    assert taken[-3:] == ["a" * 64, "a" * 62 + "-2", "a" * 62 + "-3"]


@pytest.mark.slow
@pytest.mark.properties
@settings(max_examples=examples(100, 1000), deadline=None)
@given(st.lists(st.text(max_size=90), max_size=6))
def test_whatever_the_commands_are_the_ids_are_valid_and_differ(commands: list[str]) -> None:
    taken: list[str] = []
    for command in commands:
        taken.append(job_id(command, taken))
    assert all(ID.fullmatch(name) for name in taken), taken
    assert len(set(taken)) == len(taken)
