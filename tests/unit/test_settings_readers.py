from __future__ import annotations

import pytest

from chalicelib import settings_readers as readers
from chalicelib.errors import SettingsError
from chalicelib.settings import Settings


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://ops.test", ""),
        ("https://ops.test/", ""),
        ("https://ops.test/sauron", "/sauron"),
        ("https://ops.test:8443/tools/Sauron-1/", "/tools/Sauron-1"),
        ("https://ops.test/%C3%BCber", "/%C3%BCber"),
    ],
)
def test_the_public_address_may_have_a_path(url: str, path: str) -> None:
    assert Settings.read({"SAURON_PUBLIC_URL": url}).public_path == path


@pytest.mark.parametrize(
    "url",
    [
        "https://ops.test//evil.test",
        "https://ops.test/a//b",
        "https://ops.test/sauron//",
        "https://ops.test/../x",
        "https://ops.test/%2e%2E/x",
        "https://ops.test/a/./",
        'https://ops.test/"x',
        "https://ops.test/über",
        "https://ops.test/sauron?x=1",
        "https://ops.test/?",
        "https://ops.test/#jobs",
    ],
)
def test_a_public_address_that_no_link_can_begin_with_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"SAURON_PUBLIC_URL.*(for example https://host/sauron|\? or #)"):
        Settings.read({"SAURON_PUBLIC_URL": url})


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("JOBS_DIR", "~nobody-of-that-name/jobs", "write an absolute path"),
        ("SAURON_BACKUP_DIR", "~nobody-of-that-name", "write an absolute path"),
        ("SAURON_SSH_KEY_PATH", "~nobody-of-that-name/.ssh/id", "write an absolute path"),
        ("JOB_QUEUE_DB_URL", "sqlite:////data/s.sqlite3?timeout=soon", "its value is not valid"),
        ("JOB_QUEUE_DB_URL", "sqlite:////data/s.sqlite3?timeout=", "its value is not valid"),
        (
            "JOB_QUEUE_DB_URL",
            "sqlite:////data/s.sqlite3?cached_statements=many",
            "its value is not valid",
        ),
        ("JOB_QUEUE_DB_URL", "sqlite:////data/s.sqlite3?check_same_thread=maybe", "its value is not valid"),
        ("SAURON_PUBLIC_URL", "https://ops:hunter2@ops.test/sauron", "write it without the user"),
        ("ALERT_EMAIL", "a@ops.test;b@ops.test", "separate several with commas"),
        ("ALERT_EMAIL", "a@ops.test b@ops.test", "separate several with commas"),
        ("DIGEST_EMAIL", "Ops <a@ops.test", "is not an email address"),
        ("FROM_EMAIL", "a@b@ops.test", "is not an email address"),
        ("FROM_EMAIL", "a@ops.test, b@ops.test", "a mail has one sender"),
        ("API_PORT", "80_80", "write a whole number from 0 to 65535"),
        ("SAURON_WORKERS", "\uff14", "write a whole number from 1 to 256"),
        ("SAURON_KEEP_BACKUPS", "+7", "write a whole number from 1 to 1000"),
        ("SAURON_ALERT_WEBHOOK_SECRET", "whsec_ünterhunter2", "write whsec_ and 24 to 64 random bytes"),
        ("SSH_PRIVATE_KEY_B64", "“hunter2”", "SSH_PRIVATE_KEY_B64: write it without quotes"),
        ("SSH_PRIVATE_KEY_B64", "LS0tLS1é", "write the private key in base64"),
        ("SAURON_API_TOKENS", "ann:read:gürtel-hunter2-lang", "entry 1 has a token with a character that no"),
    ],
)
def test_a_value_that_can_never_work_is_a_fault_and_no_traceback(name: str, value: str, instead: str) -> None:
    with pytest.raises(SettingsError, match=instead) as refused:
        Settings.read({name: value})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "a@ops.test",
        "a@ops.test, b@ops.test",
        "Ops <a@ops.test>",
        "Ops; night <a@ops.test>, b@x",
        '"Ops, night" <a@ops.test>, b@x',
    ],
)
def test_several_addresses_and_names_before_them_are_taken(value: str) -> None:
    assert Settings.read({"ALERT_EMAIL": value}).alert_email == value


@pytest.mark.parametrize("query", ["", "?timeout=2.5", "?timeout=5&cached_statements=64"])
def test_parameters_of_sqlite_are_taken(query: str) -> None:
    url = f"sqlite:////data/s.sqlite3{query}"
    assert Settings.read({"JOB_QUEUE_DB_URL": url}).store_url == url


@pytest.mark.parametrize("name", ["local", "anonymous"])
def test_no_token_has_a_name_that_the_audit_log_uses_itself(name: str) -> None:
    with pytest.raises(ValueError, match=f"entry 2 is called {name}"):
        readers.tokens(f"ann:read:12345678,{name}:operate:12345679")
