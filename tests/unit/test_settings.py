from __future__ import annotations

import base64
import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from chalicelib.errors import SettingsError
from chalicelib.settings import SETTINGS, Settings, load_environ

ROOT = Path(__file__).parents[2]


def test_everything_has_a_default(tmp_path: Path) -> None:
    settings = Settings.read({})
    assert (settings.api_host, settings.api_port, settings.workers) == ("127.0.0.1", 8080, 8)
    assert settings.store_url == f"sqlite:///{tmp_path}/.sauron/sauron.sqlite3"
    assert settings.refresh_interval == timedelta(seconds=300)
    assert settings.api_tokens is None


def test_all_faults_are_reported_at_once_each_with_what_to_write() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read(
            {
                "API_PORT": "eighty",
                "SAURON_WORKERS": "0",
                "LOG_LEVEL": "loud",
                "JOB_QUEUE_DB_URL": "mysql://secret-pw@h/db",
                "SAURON_API_TOKENS": "jarvis:root:secret-token",
            }
        )
    text = str(caught.value)
    assert len(caught.value.faults) == 5
    for part in (
        "API_PORT='eighty': write a whole number from 0 to 65535",
        "from 1 to 256",
        "DEBUG, INFO",
        "sqlite:////",
        "read, trigger, operate, admin",
    ):
        assert part in text
    assert "secret" not in text


def test_a_fault_never_shows_what_opens_an_address() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({"SAURON_PUBLIC_URL": "ftp://me:hunter2-and-more@files.test/"})
    assert "hunter2" not in str(caught.value)
    assert "'ftp://files.test/'" in str(caught.value)


def test_empty_means_unset() -> None:
    assert Settings.read({"API_PORT": "", "JOBS_GIT_REPO_URL": "  "}).api_port == 8080
    assert Settings.read({"JOBS_GIT_REPO_URL": ""}).jobs_git_repo_url is None


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_urls_of_every_spelling_are_accepted(scheme: str) -> None:
    assert (
        Settings.read({"JOB_QUEUE_DB_URL": f"{scheme}://u:p@h/d"}).store_url == "postgresql+psycopg://u:p@h/d"
    )


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("postgresql://sau:p@ss@host/db", "%40 for @"),
        ("postgresql://sau:p@ss/hunter2@127.0.0.1:5999/db", "%40 for @"),
        ("postgresql://sau:hunter2/x@host/db", "%2F for /"),
        ("postgresql://sau:hunter2@127.0.0.1:54x/db", "host or port"),
        ("postgresql:///db?host=/run/pg&user=sau&password=hunter2", "before the host"),
    ],
)
def test_an_address_whose_password_would_be_shown_is_refused_without_showing_it(url: str, hint: str) -> None:
    for name in ("JOB_QUEUE_DB_URL", "DATABASE_URL"):
        with pytest.raises(SettingsError, match=hint) as caught:
            Settings.read({name: url})
        assert "hunter2" not in str(caught.value)


def test_life_hub_goes_by_two_names() -> None:
    for name in ("DATABASE_URL", "LIFE_HUB_DB_URL"):
        assert Settings.read({name: "postgres://u:p@h/d"}).life_hub_url == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.secret], ids=lambda s: s.name)
def test_every_secret_may_come_from_a_file(setting: object, tmp_path: Path) -> None:
    examples = {
        "JOB_QUEUE_DB_URL": "sqlite:////x.db",
        "DATABASE_URL": "postgresql://h/d",
        "SSH_PRIVATE_KEY_B64": base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode(),
        "SAURON_API_TOKENS": "a:read:12345678",
        "SAURON_ALERT_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    }
    name, attribute = setting.name, setting.attribute  # type: ignore[attr-defined]
    value = examples.get(name, "https://example.test/x")
    file = tmp_path / "secret"
    file.write_text(value + "\n")
    assert getattr(Settings.read({f"{name}_FILE": str(file)}), attribute) == getattr(
        Settings.read({name: value}), attribute
    )


def test_a_secret_file_that_cannot_be_read_is_a_fault_with_its_name() -> None:
    with pytest.raises(SettingsError, match=r"JOBS_GIT_TOKEN_FILE='/nowhere'.*No such file"):
        Settings.read({"JOBS_GIT_TOKEN_FILE": "/nowhere"})


def test_tokens_are_read_with_their_scopes_and_never_shown() -> None:
    settings = Settings.read({"SAURON_API_TOKENS": "jarvis:operate:tok:with:colons, grafana:read:12345678"})
    assert [(t.name, t.scope, t.value) for t in settings.api_tokens or ()] == [
        ("jarvis", "operate", "tok:with:colons"),
        ("grafana", "read", "12345678"),
    ]
    assert "12345678" not in repr(settings) + repr(settings.api_tokens)


@pytest.mark.parametrize(
    "text",
    [
        "jarvis",
        "jarvis:operate",
        "jarvis:operate:short",
        "a:read:12345678,b:read:12345678",
        "x y:read:12345678",
    ],
)
def test_malformed_tokens_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="SAURON_API_TOKENS"):
        Settings.read({"SAURON_API_TOKENS": text})


def test_a_misspelt_setting_is_warned_of() -> None:
    assert Settings.read({"SAURON_WORKER": "3"}).warnings == (
        "SAURON_WORKER: there is no such setting; did you mean SAURON_WORKERS?",
    )


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("API_PORT=1\nJOBS_GIT_BRANCH=trunk\nEMPTY=\n")
    monkeypatch.setenv("API_PORT", "2")
    monkeypatch.setenv("JOBS_GIT_BRANCH", "")
    environ = load_environ(tmp_path)
    assert (environ["API_PORT"], environ["JOBS_GIT_BRANCH"], environ.get("EMPTY")) == ("2", "trunk", None)


@pytest.mark.parametrize("document", ["README.md", ".env.example"])
def test_every_setting_is_documented(document: str) -> None:
    text = (ROOT / document).read_text()
    assert [s.name for s in SETTINGS if s.name not in text] == []


def test_the_fields_that_types_are_checked_by_are_those_of_the_table_in_its_order() -> None:
    beside = {"environ", "secret_values", "warnings"}
    fields = [field.name for field in dataclasses.fields(Settings) if field.name not in beside]
    assert fields == [setting.attribute for setting in SETTINGS]


def test_every_default_is_of_the_type_that_its_field_names() -> None:
    read, types = Settings.read({}), get_type_hints(Settings)
    for setting in SETTINGS:
        value, kind = getattr(read, setting.attribute), types[setting.attribute]
        if value is None:
            assert type(None) in get_args(kind), f"{setting.name} may be unset, its type says it is not"
        else:
            assert isinstance(value, kind), setting.name


def test_no_secret_is_shown_when_settings_are_printed() -> None:
    hidden = {field.name for field in dataclasses.fields(Settings) if not field.repr}
    assert hidden == {setting.attribute for setting in SETTINGS if setting.secret} | {
        "environ",
        "secret_values",
    }


def test_what_opens_the_bundles_address_is_a_secret_from_the_start() -> None:
    settings = Settings.read({"JOBS_GIT_REPO_URL": "https://bot:hunter2/and#more@git.test/jobs.git"})
    assert settings.masked("said hunter2/and#more aloud") == "said *** aloud"
