"""What `.env` and the files of secrets say is used exactly, or refused in words."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from chalicelib.errors import SettingsError
from chalicelib.settings import SETTINGS, Settings, load_environ

SECRETS = [setting for setting in SETTINGS if setting.secret]


def faults(folder: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_environ(folder)
    return str(caught.value)


@pytest.mark.parametrize("content", ["", "\n", "  \r\n\t", "\ufeff", "\ufeff\r\n"])
def test_a_named_file_that_holds_nothing_is_a_fault_for_every_secret(content: str, tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.write_text(content, encoding="utf-8")
    for name in [name for one in SECRETS for name in (one.name, *one.aliases)]:
        with pytest.raises(SettingsError, match=f"{name}_FILE=.*empty.* holds nothing; write the value into"):
            Settings.read({f"{name}_FILE": str(file)})


@pytest.mark.parametrize("text", [",", " , ,", ",\n,"])
def test_api_tokens_that_are_only_separators_do_not_leave_the_api_open(text: str) -> None:
    with pytest.raises(SettingsError, match="SAURON_API_TOKENS: it holds no token"):
        Settings.read({"SAURON_API_TOKENS": text})


def test_a_file_of_api_tokens_may_hold_one_token_a_line(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(b"ops:admin:letmein-1234\r\ngrafana:read:12345678,\r\n\r\nbot:trigger:12:34:56:78\r\n")
    tokens = Settings.read({"SAURON_API_TOKENS_FILE": str(file)}).api_tokens or ()
    assert [(one.name, one.value) for one in tokens] == [
        ("ops", "letmein-1234"),
        ("grafana", "12345678"),
        ("bot", "12:34:56:78"),
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("ops:admin:letmein-1234\n".encode("utf-16"), "UTF-16"),
        ("ops:admin:letmein-1234\n".encode("utf-16-le"), "UTF-16"),
        ("ops:admin:caf\u00e9-1234\n".encode("latin-1"), "not UTF-8 in line 1"),
        (b"x" * (1 << 21), "larger than 1 MiB"),
    ],
)
def test_a_secret_file_in_another_encoding_is_refused_in_words(
    raw: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(raw)
    with pytest.raises(SettingsError, match=f"SAURON_API_TOKENS_FILE=.*tokens.*{reason}") as caught:
        Settings.read({"SAURON_API_TOKENS_FILE": str(file)})
    assert "letmein" not in str(caught.value)
    assert "-1234" not in str(caught.value)


def test_a_secret_file_that_is_a_folder_or_whose_name_cannot_be_one_is_a_fault(tmp_path: Path) -> None:
    for named in (str(tmp_path), "a\0b", "x" * 5000):
        with pytest.raises(SettingsError, match=r"JOBS_GIT_TOKEN_FILE=.*cannot be read"):
            Settings.read({"JOBS_GIT_TOKEN_FILE": named})


@pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.name)
def test_a_byte_order_mark_is_not_part_of_a_secret(setting: object, tmp_path: Path) -> None:
    examples = {
        "JOB_QUEUE_DB_URL": "sqlite:////x.db",
        "DATABASE_URL": "postgresql://h/d",
        "SAURON_SMTP_URL": "smtp://mail.example.test:587",
        "SAURON_ALERT_URLS": "json://example.test/x",
        "SSH_PRIVATE_KEY_B64": base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode(),
        "SAURON_API_TOKENS": "a:read:12345678",
        "SAURON_ALERT_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    }
    name, attribute = setting.name, setting.attribute  # type: ignore[attr-defined]
    value = examples.get(name, "https://example.test/x")
    file = tmp_path / "secret"
    file.write_text(f"\ufeff{value}\r\n", encoding="utf-8")
    read = Settings.read({f"{name}_FILE": str(file)})
    assert getattr(read, attribute) == getattr(Settings.read({name: value}), attribute)
    assert not any("\ufeff" in secret for secret in read.secret_values)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('SAURON_API_TOKENS="ops:admin:letmein-1234\n', 1),
        ("A=1\n\n\n# remark\nSAURON_API_TOKENS='ops:admin:letmein-1234\nB=2\n", 5),
        ('SAURON_API_TOKENS="ops:admin:letmein-1234" or so\n', 1),
        ("A=1\r\nSAURON_API_TOKENS ops:admin:letmein-1234\r\n", 2),
        ("SAURON_API_TOKENS: ops:admin:letmein-1234\n", 1),
        ("SAURON_API_TOKENS:ops:admin:letmein-1234\n", 1),
        ("SAURON_API_TOKENS:ops:admin:letmein-1234==\n", 1),
        ("\nSAURON_API_TOKENS\n", 2),
        ("export SAURON_API_TOKENS\n", 1),
        ("=ops:admin:letmein-1234\n", 1),
        ("A=1\n<<<<<<< HEAD\n", 2),
    ],
)
def test_a_line_of_the_env_file_that_cannot_be_read_is_a_fault_with_file_line_and_cure(
    tmp_path: Path, text: str, line: int
) -> None:
    (tmp_path / ".env").write_bytes(text.encode())
    said = faults(tmp_path)
    assert f"{tmp_path}/.env, line {line}: " in said
    assert "write NAME=value" in said
    assert "letmein" not in said


def test_every_unreadable_line_and_every_wrong_setting_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("API_PORT=eighty\nA B\nSAURON_WORKERS=0\nC 'D\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load(tmp_path)
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    for part in ("API_PORT='eighty'", ".env, line 2", "SAURON_WORKERS", ".env, line 4"):
        assert part in text


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("'pa${word}x'", "pa${word}x"),
        ('"pa${word}x"', "pa${word}x"),
        ("pa${word}x", "pa${word}x"),
        ("${HOME}", "${HOME}"),
        ("pa${word:-y}x$$z$HOME", "pa${word:-y}x$$z$HOME"),
        ('"two\nlines"', "two\nlines"),
        ("a#b # remark", "a#b"),
        ("a=b==", "a=b=="),
    ],
)
def test_values_of_the_env_file_are_literal(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_text(f"word=W\nNOTE={line}\nexport LAST=1\n")
    environ = load_environ(tmp_path)
    assert (environ["NOTE"], environ["LAST"]) == (value, "1")


@pytest.mark.parametrize(
    "lines",
    [
        'NOTE="begin\nSAURON_API_TOKENS=ops:admin:letmein-1234-5678\nOTHER=end"\n',
        "NOTE='begin\r\nexport SAURON_API_TOKENS = ops:admin:letmein-1234-5678'\r\n",
        'NOTE="begin\n\n  SAURON_API_TOKENS_FILE=/run/secrets/tokens"\n',
    ],
)
def test_tokens_that_the_quote_of_an_earlier_line_takes_in_are_a_fault(tmp_path: Path, lines: str) -> None:
    (tmp_path / ".env").write_text(f"API_PORT=1\n{lines}")
    said = faults(tmp_path)
    assert f"{tmp_path}/.env, line 2: the quote that begins here ends only behind SAURON_API_TOKENS" in said
    assert "letmein" not in said


def test_a_key_of_several_lines_is_read(tmp_path: Path) -> None:
    key = "-----BEGIN KEY-----\nAAbb=\nMIIE==\n-----END KEY-----"
    (tmp_path / ".env").write_text(f'KEY="{key}"\n')
    assert load_environ(tmp_path)["KEY"] == key


def test_a_reference_that_an_earlier_version_expanded_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOST=db\nNOTE=at-${HOST}\nOTHER=pa${word}x\n")
    warnings = Settings.load(tmp_path).warnings
    (warning,) = warnings
    assert (
        f"{tmp_path}/.env, line 2: NOTE holds ${{HOST}}, which is taken as it is written; write the value"
        in warning
    )


def test_an_env_file_with_a_byte_order_mark_and_dos_lines_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfAPI_PORT=1234\r\nJOBS_GIT_BRANCH=trunk\r\n")
    assert {"API_PORT": "1234", "JOBS_GIT_BRANCH": "trunk"}.items() <= load_environ(tmp_path).items()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("A=1\n#caf\u00e9\n".encode("latin-1"), "not UTF-8 in line 2"),
        ("API_PORT=1\n".encode("utf-16"), "UTF-16"),
        ("API_PORT=1\n".encode("utf-16-be"), "UTF-16"),
        (b"A=a\0b\n", "UTF-16"),
    ],
)
def test_an_env_file_in_another_encoding_is_a_fault_with_its_path_and_the_cure(
    tmp_path: Path, raw: bytes, reason: str
) -> None:
    (tmp_path / ".env").write_bytes(raw)
    said = faults(tmp_path)
    assert f"{tmp_path}/.env cannot be read" in said
    assert reason in said
    assert "save it as UTF-8" in said


def test_an_env_file_that_cannot_be_opened_is_a_fault_and_a_folder_of_that_name_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "nowhere")
    assert f"{tmp_path}/.env cannot be read (No such file or directory)" in faults(tmp_path)
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    assert "PATH" in load_environ(tmp_path)  # `python -m venv .env` makes one


def test_of_a_name_that_is_written_twice_the_last_value_counts_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("API_PORT=1\nAPI_PORT=2\nSAURON_API_TOKENS=ops:admin:letmein-1234-5678\n")
    with (tmp_path / ".env").open("a") as file:
        file.write("SAURON_API_TOKENS=\n")
    settings = Settings.load(tmp_path)
    assert settings.api_port == 2
    assert settings.api_tokens is not None  # empty is unset; it takes nothing back
    assert settings.warnings == (
        f"{tmp_path}/.env, line 2: API_PORT is also in line 1, which is not used; remove one of them",
    )
