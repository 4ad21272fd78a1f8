"""Each check, for a deployment that has the mistake and for one that has not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.answers.doctor import Facts, Place, examine, findings_json
from chalicelib.answers.doctor.checks import CHECKS
from chalicelib.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {
    "SAURON_API_TOKENS": "me:admin:0123456789abcdef0,jarvis:operate:0123456789abcdef1",
    "API_HOST": "0.0.0.0",  # noqa: S104 - as in the image
    "SAURON_PUBLIC_URL": "https://sauron.example.org",
    "JOBS_GIT_REPO_URL": "https://git.example.org/ops/jobs.git",
    "JOBS_GIT_TOKEN": "git-token-0123456789",
    "JOBS_GIT_BRANCH": "main",
    "JOBS_GIT_SUBDIR": "ops/jobs",
    "ALERT_EMAIL": "ops@example.org",
    "FROM_EMAIL": "sauron@example.org",
    "SAURON_HEARTBEAT_URL": "https://monitor.example.org/hidden",
    "HTTPS_PROXY": "http://proxy.example.org:3128",
    "NO_PROXY": "localhost,127.0.0.1",
}
WELL: dict[str, Any] = {
    "places": [Place("/data", mode=0o700)],
    "store_read": True,
    "channels": ["mail"],
    "missing_secrets": {},
    "sqlite_version": (3, 40, 1),
    "last_tick": NOW - timedelta(seconds=30),
    "clock_ahead_seconds": 0.2,
    "branches": ["main", "staging"],
    "subdir_there": True,
    "ssh_host": "git.example.org",
    "host_known": True,
    "disk_free_mb": 20_000,
    "memory_mb": 2048,
    "in_container": True,
    "stop_grace_seconds": 30.0,
}


def found(environ: dict[str, str] | None = None, *without: str, **facts: Any) -> dict[str, dict[str, Any]]:
    settings = {name: value for name, value in (GOOD | (environ or {})).items() if name not in without}
    judged = Facts(now=NOW, settings=Settings.read(settings), **(WELL | facts))
    return {one["check"]: one for one in findings_json(examine(judged))}


def test_a_deployment_without_a_mistake_is_well_in_every_check() -> None:
    said = found()
    assert set(said) == {"settings", *(name for name, _ in CHECKS)}
    assert [one for one in said.values() if not one["ok"] or not one["found"]] == []
    assert "0123456789abcdef" not in str(said)
    assert "hidden" not in str(said)


@pytest.mark.parametrize(
    ("check", "environ", "facts", "told", "cure"),
    [
        (
            "state folder",
            {},
            {"places": [Place("/data", fault="run: chown 1000 /data")]},
            "/data",
            "chown 1000",
        ),
        ("state folder", {}, {"places": [Place("/data", mode=0o755)]}, "every user", "chmod o-rwx /data"),
        ("state folder", {}, {"places": [Place("/data", mode=0o700, owner="ann")]}, "ann", "chown -R"),
        (
            "store",
            {},
            {"store_fault": "The store is damaged (x). Run: sauron restore F"},
            "damaged",
            "restore F",
        ),
        ("sqlite version", {}, {"sqlite_version": (3, 34, 1)}, "3.34.1", "newer Python"),
        ("disk", {}, {"disk_free_mb": 499}, "499 MB", "free some space"),
        ("clock", {}, {"last_tick": NOW + timedelta(minutes=3)}, "0:03:00 ahead", "NTP"),
        ("clock", {}, {"clock_ahead_seconds": -61.0}, "-61 s", "NTP"),
        ("zone data", {}, {"zones": False}, "Europe/Berlin", "tzdata"),
        ("memory limit", {}, {"memory_mb": 469}, "469 MB", "SAURON_WORKERS=7"),
        ("stop grace", {"SAURON_DRAIN_SECONDS": "60"}, {}, "70 s", "STOP_GRACE_PERIOD=70s"),
        ("open api", {"SAURON_API_TOKENS": ""}, {}, "everyone", "SAURON_API_TOKENS=NAME:operate"),
        ("token scopes", {"SAURON_API_TOKENS": "a:admin:short-one"}, {}, "guessed: a", "openssl"),
        (
            "token scopes",
            {"SAURON_API_TOKENS": f"a:admin:{'x' * 20},b:admin:{'y' * 20}"},
            {},
            "admin",
            "read,",
        ),
        ("token scopes", {"SAURON_API_TOKENS": f"a:read:{'x' * 20}"}, {}, "no token may", "operate"),
        ("public url", {"SAURON_PUBLIC_URL": ""}, {}, "http://localhost:8080", "SAURON_PUBLIC_URL=https"),
        ("public url", {"SAURON_PUBLIC_URL": "http://sauron.example.org"}, {}, "unencrypted", "docs/proxies"),
        ("proxy", {"HTTPS_PROXY": "proxy.example.org:3128"}, {}, "HTTPS_PROXY", "http://HOST:PORT"),
        ("proxy", {"NO_PROXY": ""}, {}, "to the proxy", "NO_PROXY=localhost"),
        ("git address", {"JOBS_GIT_REPO_URL": ""}, {}, "no bundle", "JOBS_GIT_REPO_URL"),
        ("git address", {}, {"address_fault": "it is a page; write the other"}, "a page", "write the other"),
        ("git address", {}, {"remote_fault": "no answer within 6 s. Is it up?"}, "no answer", "Is it up?"),
        ("token user", {"JOBS_GIT_REPO_URL": "git@git.example.org:a/b"}, {}, "takes no token", "https://"),
        ("token user", {}, {"token_advice": "write the user oauth2"}, "refused", "user oauth2"),
        ("branch", {"JOBS_GIT_BRANCH": "stagin"}, {}, "'stagin'", "JOBS_GIT_BRANCH=staging?"),
        ("branch", {"JOBS_GIT_BRANCH": "zzz"}, {}, "'zzz'", "main, staging"),
        ("branch", {}, {"branches": []}, "no branch yet", "push"),
        ("bundle folder", {}, {"subdir_there": False}, "no folder ops/jobs", "holds manifest.py"),
        ("host keys", {}, {"host_known": False}, "git.example.org", "ssh-keyscan git.example.org"),
        ("missing secrets", {}, {"missing_secrets": {"crm": ["CRM_TOKEN"]}}, "crm", "set CRM_TOKEN"),
        ("alert channel", {}, {"channels": ()}, "nobody is told", "SAURON_ALERT_URLS"),
        ("sender", {"FROM_EMAIL": ""}, {}, "no sender", "FROM_EMAIL"),
        (
            "sender",
            {},
            {"sender_fault": "SES does not know it"},
            "does not know",
            "verify sauron@example.org",
        ),
        ("dead-man's switch", {"SAURON_HEARTBEAT_URL": ""}, {}, "nobody hears", "SAURON_HEARTBEAT_URL"),
    ],
)
def test_a_mistake_is_found_with_its_cure(
    check: str, environ: dict[str, str], facts: dict[str, Any], told: str, cure: str
) -> None:
    one = found(environ, **facts)[check]
    assert one["ok"] is False
    assert told in one["found"]
    assert cure in one["fix"]
    assert "\n" not in one["found"] + one["fix"]


def test_each_check_has_a_deployment_with_its_mistake() -> None:
    marks = [mark for mark in test_a_mistake_is_found_with_its_cure.pytestmark if mark.name == "parametrize"]
    assert {case[0] for mark in marks for case in mark.args[1]} == {name for name, _ in CHECKS}


@pytest.mark.parametrize(
    ("check", "environ"),
    [
        ("open api", {"SAURON_API_TOKENS": "", "API_HOST": "127.0.0.1", "SAURON_PUBLIC_URL": ""}),
        ("public url", {"SAURON_PUBLIC_URL": "", "API_HOST": "127.0.0.1"}),
        ("public url", {"SAURON_PUBLIC_URL": "http://sauron:8080"}),
        ("token scopes", {"SAURON_API_TOKENS": f"a:admin:{'x' * 20}"}),
        ("branch", {"JOBS_GIT_BRANCH": ""}),
    ],
)
def test_what_is_right_as_it_is_needs_no_cure(check: str, environ: dict[str, str]) -> None:
    assert found(environ)[check]["ok"] is True


def test_what_nobody_learnt_is_not_judged() -> None:
    faults = ("API_PORT='x': write a whole number", "T_FILE='/t' holds nothing; write the value into it")
    said = findings_json(examine(Facts(now=NOW, settings=None, faults=faults)))
    assert [(one["ok"], one["found"], one["fix"]) for one in said[:2]] == [
        (False, "API_PORT='x' cannot be used", "write a whole number"),
        (False, "T_FILE='/t' holds nothing", "write the value into it"),
    ]
    assert {one["check"] for one in said} == {"settings", "clock", "zone data"}
    facts = Facts(now=NOW, settings=Settings.read({}))
    assert "host keys" not in {one.check for one in examine(facts)}
