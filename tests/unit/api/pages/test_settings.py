from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.api.pages.settings import HEADINGS, groups
from chalicelib.settings import SETTINGS, Settings
from tests.conftest import ManualClock
from tests.unit.api.client import Client, bearer
from tests.unit.api.conftest import Build
from tests.unit.api.pages.test_pages import HTML, read

WORD = "correct-horse-battery-9"
SECRETS = {
    "JOBS_GIT_TOKEN": f"git-{WORD}",
    "GITHUB_TOKEN": f"hub-{WORD}",
    "SAURON_SMTP_URL": f"smtp://ops:mail-{WORD}@mail.test:587",
    "SAURON_ALERT_WEBHOOK_URL": f"https://hooks.test/{WORD}",
    "SAURON_ALERT_URLS": f"ntfy://ops:chat-{WORD}@ntfy.test/ops",
    "SAURON_HEARTBEAT_URL": f"https://ping.test/{WORD}",
    "SAURON_GIT_WEBHOOK_SECRET": f"push-{WORD}",
}


def lines(settings: Settings) -> dict[str, tuple[str | None, str]]:
    return {one.of.name: (one.value, one.origin) for _, all_of in groups(settings) for one in all_of}


def test_every_setting_is_shown_once_in_the_order_of_the_readme() -> None:
    shown = groups(Settings.read({}))
    assert [one.of.name for _, all_of in shown for one in all_of] == [one.name for one in SETTINGS]
    assert [heading for heading, _ in shown] == list(HEADINGS.values())


@pytest.mark.parametrize(
    ("name", "written", "shown"),
    [
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("JOB_QUEUE_ENABLED", "no", "0"),
        ("SAURON_WORKERS", "007", "7"),
        ("SAURON_DRAIN_SECONDS", "90", "90"),
        ("SAURON_KEEP_LOGS_DAYS", "14", "14"),
        ("JOBS_REFRESH_INTERVAL_SECONDS", "86400", "86400"),
        ("ALERT_EMAIL", "ops@example.org", "ops@example.org"),
        ("JOBS_GIT_SUBDIR", "./ops/", "ops"),
        ("SAURON_SSH_KNOWN_HOSTS", "k" * 300, "k" * 200 + " ..."),
        ("GITHUB_TOKEN", "short", "set"),
        ("GITHUB_TOKEN", "long" * 99, "set"),
    ],
)
def test_a_value_is_shown_as_it_counts(name: str, written: str, shown: str) -> None:
    assert lines(Settings.read({name: written}))[name] == (shown, "environment")


def test_what_nobody_set_is_the_default_or_nothing() -> None:
    found = lines(Settings.read({}))
    assert found["API_PORT"] == ("8080", "default")
    assert found["SAURON_KEEP_RUNS_DAYS"] == ("90", "default")
    assert found["JOBS_GIT_REPO_URL"] == (None, "default")
    assert found["JOB_QUEUE_DB_URL"] == (None, "default")
    assert found["SAURON_API_TOKENS"] == (None, "default")


def test_each_value_says_where_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("git-token-of-a-file\n", encoding="utf-8")
    written = f"API_PORT=9000\nLOG_LEVEL=DEBUG\nSAURON_WORKERS=3\nJOBS_GIT_TOKEN_FILE={secret}\n"
    (tmp_path / ".env").write_text(written, encoding="utf-8")
    for name in ("API_PORT", "JOBS_GIT_TOKEN", "DATABASE_URL", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    monkeypatch.setenv("SAURON_WORKERS", "3")
    monkeypatch.setenv("LIFE_HUB_DB_URL", "postgresql://hub.internal/hub")
    monkeypatch.setenv("SAURON_SSM_PATH", "/sauron/prod")
    monkeypatch.setenv("GITHUB_TOKEN_FILE", str(secret))
    given = {"FROM_EMAIL": "sauron@example.org", "LOG_LEVEL": "INFO"}
    found = lines(Settings.load(tmp_path, parameters=lambda _path: given))
    assert found["API_PORT"] == ("9000", ".env")
    assert found["LOG_LEVEL"] == ("ERROR", "environment")
    assert found["SAURON_WORKERS"] == ("3", "environment")
    assert found["FROM_EMAIL"] == ("sauron@example.org", "an AWS parameter")
    assert found["DATABASE_URL"] == ("set", "environment, as LIFE_HUB_DB_URL")
    assert found["JOBS_GIT_TOKEN"] == ("set", f"the file {secret} (.env)")
    assert found["GITHUB_TOKEN"] == ("set", f"the file {secret} (environment)")
    assert found["API_HOST"] == ("127.0.0.1", "default")


@pytest.mark.slow
def test_no_secret_is_on_the_page_in_any_part(build: Build) -> None:
    build(
        SAURON_API_TOKENS=f"laptop:operate:page-{WORD},weak:read:hunter22",
        JOBS_GIT_REPO_URL=f"https://deploy:repo-{WORD}@git.test/jobs.git",
        **SECRETS,
    )
    answer = bearer(f"page-{WORD}").get("/ui/settings", **HTML)
    assert answer.status == 200
    assert WORD not in answer.body
    assert "hunter22" not in answer.body
    assert answer.body.count("set, not shown") == len(SECRETS) + 2  # the tokens and the store
    for part in ("correct", "battery", "horse-", "ntfy.test", "mail.test", "ping.test", "hooks.test"):
        assert part not in answer.body, part


def test_the_doctor_tells_what_is_not_well_first_with_its_cure(build: Build, client: Client) -> None:
    build(API_HOST="192.0.2.7", ALERT_EMAIL="ops@example.org")
    page = client.get("/ui/settings", **HTML).body
    found = re.findall(
        r'<li><svg class="mark" aria-hidden="true"><use href="#m-(\w+)"/></svg><b>([^<]+)', page
    )
    words = [word for word, _ in found]
    assert words == sorted(words)  # degraded before well
    assert {"Open API", "Git address", "Sender"} <= {name for word, name in found if word == "degraded"}
    assert "SAURON_API_TOKENS=NAME:operate:$(openssl rand -hex 16)" in page
    bad = words.count("degraded")
    assert f"<title>The doctor finds {bad} things to mend" in page
    read(page)


def test_the_store_and_the_git_host_are_asked_only_on_demand(
    build: Build, client: Client, tmp_path: Path, clock: ManualClock
) -> None:
    build(JOBS_GIT_REPO_URL=str(tmp_path / "not-there-yet"))
    quick, asked = (client.get(f"/ui/settings{more}", **HTML).body for more in ("", "?ask=1"))
    assert ("it can be read" in quick, "not-there-yet" in quick.partition('id="group-1"')[0]) == (True, False)
    assert "asked just now" in asked
    assert "<b>Store<" in asked
    assert "<b>Store<" not in quick
