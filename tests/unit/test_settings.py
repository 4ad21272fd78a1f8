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


SEVERAL = {  # settings whose values have lines
    "SAURON_DB_CA",
    "SSH_PRIVATE_KEY_B64",
    "SAURON_SSH_KNOWN_HOSTS",
    "SAURON_API_TOKENS",
    "SAURON_POOLS",
    "SAURON_ALERT_URLS",
}


def test_no_setting_takes_a_character_that_no_header_title_or_label_holds() -> None:
    for setting in SETTINGS:
        for bad, said in (
            ("\n", "a line break"),
            ("\r", "a line break"),
            ("\u2028", "a line break"),
            ("\0", "U+0000"),
            ("\x1b", "U+001B"),
            ("\x85", "a line break"),
            ("\x9b", "U+009B"),
            ("\u202e", "U+202E"),
            ("\udcff", "bytes that are not UTF-8"),
        ):
            if setting.name in SEVERAL and bad in "\r\n":
                continue
            with pytest.raises(SettingsError) as caught:
                Settings.read({setting.name: f"some{bad}thing"})
            (fault,) = caught.value.faults
            assert fault.startswith(setting.name), repr(bad)
            assert fault.endswith(f"{said}; write it without"), fault
            assert not setting.secret or "thing" not in fault


def test_settings_of_several_lines_are_read_line_by_line() -> None:
    read = Settings.read(
        {
            "SAURON_POOLS": "db:1,\n\tapi:4",
            "SAURON_API_TOKENS": "a:read:12345678\r\nb:read:87654321",
            "SAURON_SSH_KNOWN_HOSTS": "h ssh-rsa AAAA\n# caf\u00e9\nh2 ssh-rsa AAAA",
        }
    )
    assert read.pools == {"db": 1, "api": 4}
    assert [one.name for one in read.api_tokens or ()] == ["a", "b"]
    assert read.ssh_known_hosts == "h ssh-rsa AAAA\n# caf\u00e9\nh2 ssh-rsa AAAA"


def test_a_name_may_have_letters_of_any_script() -> None:
    for name in ("Zürich prod", "本番", "ops \U0001f469\u200d\U0001f680", "a\tb"):
        assert Settings.read({"JOB_SCHEDULER_NAME": name}).scheduler_name == name


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


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.from_file], ids=lambda s: s.name)
def test_every_secret_may_come_from_a_file(setting: object, tmp_path: Path) -> None:
    examples = {
        "JOB_QUEUE_DB_URL": "sqlite:////x.db",
        "DATABASE_URL": "postgresql://h/d",
        "SSH_PRIVATE_KEY_B64": base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode(),
        "SAURON_DB_CA": "system",
        "SAURON_API_TOKENS": "a:read:12345678",
        "SAURON_SMTP_URL": "smtp://mail.example.test",
        "SAURON_ALERT_URLS": "json://example.test",
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
    beside = {"environ", "origins", "secret_values", "warnings"}
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


@pytest.mark.parametrize("quotes", ['""', "''", "``", "\u201c\u201d", "\u2018\u2019"])
def test_quotes_that_a_panel_keeps_are_refused_for_every_setting(quotes: str, tmp_path: Path) -> None:
    value = f"{quotes[0]}https://example.test/x{quotes[1]}"
    (tmp_path / "file").write_text(value)
    given = [(one.name, {one.name: value}) for one in SETTINGS]
    given += [(one.name, {f"{one.name}_FILE": str(tmp_path / "file")}) for one in SETTINGS if one.secret]
    for name, environ in given:
        with pytest.raises(SettingsError, match=rf"{name}.*: write it without quotes"):
            Settings.read(environ)


def test_a_value_in_quotes_is_not_shown() -> None:
    for name in ("JOBS_GIT_REPO_URL", "SAURON_PUBLIC_URL", "JOBS_DIR"):
        with pytest.raises(SettingsError) as caught:
            Settings.read({name: '"https://bot:hunter2-and-more@h/o/r"'})
        assert "hunter2" not in str(caught.value)


def test_quotes_inside_a_value_are_part_of_it() -> None:
    sender = '"Ops at night" <ops@example.org>'
    assert Settings.read({"FROM_EMAIL": sender}).from_email == sender


@pytest.mark.parametrize("name", ["JOBS_GIT_TOKEN", "JOBS_GIT_BRANCH"])
def test_a_git_token_and_a_branch_are_one_word(name: str) -> None:
    for value in ("two words", "line\nbreak"):
        with pytest.raises(SettingsError, match=f"{name}.*: it holds a (space or a )?line break"):
            Settings.read({name: value})


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///:memory:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:////data/x.sqlite3?mode=memory",
        "sqlite:///file:/data/x.sqlite3?uri=true",
        "sqlite:////data/",
        "sqlite:///~/x.sqlite3",
        "SQLite:///:memory:",
    ],
)
def test_a_store_that_is_no_file_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(SettingsError, match=r"JOB_QUEUE_DB_URL: .*sqlite:////absolute/path.sqlite3"):
        Settings.read({"JOB_QUEUE_DB_URL": url})


def test_the_scheme_of_every_address_has_no_case() -> None:
    settings = Settings.read(
        {
            "JOB_QUEUE_DB_URL": "SQLite:////data/X.sqlite3",
            "DATABASE_URL": "PostgreSQL://U:P@Host/Db",
            "SAURON_PUBLIC_URL": "HTTPS://Sauron.test/Path",
            "SAURON_HEARTBEAT_URL": "Https://hc.test/ping/AbC-dEf",
        }
    )
    assert settings.store_url == "sqlite:////data/X.sqlite3"
    assert settings.life_hub_url == "postgresql+psycopg://U:P@Host/Db"
    assert settings.public_url == "https://Sauron.test/Path"
    assert settings.heartbeat_url == "https://hc.test/ping/AbC-dEf"
    assert Settings.read({"JOB_QUEUE_DB_URL": "POSTGRES://h/d"}).store_url == "postgresql+psycopg://h/d"
    for spelling in ("Https://hc.test/ping/AbC-dEf", "https://hc.test/ping/AbC-dEf"):
        assert settings.masked(f"at {spelling}") == "at ***"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "https:///x", "https://h:port/", "https://[::1/", "//h"],
)
@pytest.mark.parametrize(
    "name", ["SAURON_PUBLIC_URL", "SAURON_HEARTBEAT_URL", "SAURON_ALERT_WEBHOOK_URL", "SAURON_SQS_QUEUE_URL"]
)
def test_addresses_are_http_or_https_with_a_host(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}.*: write an address that starts with https://"):
        Settings.read({name: url})


@pytest.mark.parametrize("name", ["SAURON_HEARTBEAT_URL", "SAURON_ALERT_WEBHOOK_URL"])
def test_what_goes_out_unencrypted_is_warned_of(name: str) -> None:
    for url in ("http://hooks.test/x", "HTTP://192.0.2.7:99/x"):
        (warning,) = Settings.read({name: url}).warnings
        assert warning.startswith(f"{name}: ")
        assert "unencrypted" in warning
        assert "write https://" in warning
        assert "hooks" not in warning
    for url in ("https://hooks.test/x", "http://localhost:8/x", "http://127.0.0.1/x", "http://[::1]:8/x"):
        assert Settings.read({name: url}).warnings == ()


@pytest.mark.parametrize("name", [s.name for s in SETTINGS if not s.from_file])
def test_a_file_for_a_setting_that_is_not_read_from_files_is_a_fault(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}_FILE: .*write the value as {name}$"):
        Settings.read({f"{name}_FILE": "/run/x"})
    assert Settings.read({f"{name}_FILE": " "}).warnings == ()


@pytest.mark.parametrize(
    ("name", "other"), [(s.name, n) for s in SETTINGS if s.from_file for n in (s.name, *s.aliases)]
)
def test_a_value_and_a_file_for_one_setting_are_a_fault(name: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("https://example.test/x")
    with pytest.raises(SettingsError, match=f"{name} and {other}_FILE are both set; remove one of them"):
        Settings.read({name: "https://example.test/y", f"{other}_FILE": str(tmp_path / "file")})


def test_a_second_name_with_another_value_is_told() -> None:
    first, second = "postgresql://h/first", "postgresql://h/second"
    settings = Settings.read({"DATABASE_URL": first, "LIFE_HUB_DB_URL": second})
    assert settings.life_hub_url == "postgresql+psycopg://h/first"
    assert settings.warnings == (
        "LIFE_HUB_DB_URL: it is not used, because DATABASE_URL has another value; remove one of them",
    )
    assert Settings.read({"DATABASE_URL": first, "LIFE_HUB_DB_URL": first}).warnings == ()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("JOBS_GIT_URL", "did you mean JOBS_GIT_REPO_URL?"),
        ("JOBS_GIT_TOKENS", "did you mean JOBS_GIT_TOKEN?"),
        ("JOB_QUEUE_URL", "did you mean JOB_QUEUE_DB_URL?"),
        ("jobs_git_token", "write JOBS_GIT_TOKEN"),
        ("Sauron_Workers", "write SAURON_WORKERS"),
        ("SAURON-API-TOKENS", "write SAURON_API_TOKENS"),
        ("sauron.api.tokens", "write SAURON_API_TOKENS"),
        ("SAURON_XYZZY_PLUGH_4242424242", "remove it"),
    ],
)
def test_a_name_that_is_close_to_a_setting_is_told(name: str, hint: str) -> None:
    (warning,) = Settings.read({name: "1"}).warnings
    assert warning.startswith(f"{name}: there is no such setting")
    assert hint in warning


def test_variables_of_jobs_are_not_warned_of() -> None:
    environ = {
        "JOBS_API_KEY": "x",
        "GITHUB_TOKEN_2": "x",
        "MY_FILE": "x",
        "CRM_TOKEN_FILE": "/x",
        "PATH": "/",
    }
    assert Settings.read(environ).warnings == ()


def test_what_opens_the_bundles_address_is_a_secret_from_the_start() -> None:
    settings = Settings.read({"JOBS_GIT_REPO_URL": "https://bot:hunter2/and#more@git.test/jobs.git"})
    assert settings.masked("said hunter2/and#more aloud") == "said *** aloud"
