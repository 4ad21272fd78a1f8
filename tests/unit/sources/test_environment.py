"""What the person has set wins over `.env`, and goes to no address that `.env` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.errors import SettingsError
from chalicelib.settings import Settings, load_environ

ELSEWHERE = "https://elsewhere.test/o/r.git"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.mark.parametrize("url", [ELSEWHERE, "HTTPS://user@elsewhere.test/o/r.git", "http://127.0.0.1:9/r"])
@pytest.mark.parametrize("name", ["JOBS_GIT_TOKEN", "JOBS_GIT_TOKEN_FILE"])
def test_an_exported_git_token_does_not_go_to_an_address_of_the_env_file(
    env: Path, monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    (env.parent / "token").write_text("shell-token-1")
    env.write_text(f"JOBS_GIT_REPO_URL={url}\n")
    monkeypatch.setenv(name, "shell-token-1" if name == "JOBS_GIT_TOKEN" else str(env.parent / "token"))
    for read in (Settings.load, load_environ):
        with pytest.raises(SettingsError) as caught:
            read(env.parent)
        assert f"JOBS_GIT_REPO_URL is from {env} and {name} is from the environment" in str(caught.value)
        assert "set both in one place" in str(caught.value)
        assert "shell-token" not in str(caught.value)


def test_an_exported_git_token_does_not_replace_that_of_the_env_file(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_text(f"JOBS_GIT_REPO_URL={ELSEWHERE}\nJOBS_GIT_TOKEN=file-token-1\n")
    monkeypatch.setenv("JOBS_GIT_TOKEN", "shell-token-1")
    with pytest.raises(SettingsError, match="set both in one place"):
        Settings.load(env.parent)


@pytest.mark.parametrize("name", ["JOB_QUEUE_DB_URL", "DATABASE_URL", "LIFE_HUB_DB_URL"])
def test_an_exported_password_of_postgresql_does_not_go_to_an_address_of_the_env_file(
    env: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PGPASSWORD", "shell-password-1")
    env.write_text(f"{name}=postgresql://sauron@elsewhere.test/db\n")
    with pytest.raises(SettingsError, match=f"{name} is from .*env and PGPASSWORD is from the environment"):
        Settings.load(env.parent)
    env.write_text(f"{name}=postgresql://sauron:own@elsewhere.test/db\n")
    Settings.load(env.parent)


def test_pairs_from_one_place_and_from_a_more_trusted_one_are_used(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_text(f"JOBS_GIT_REPO_URL={ELSEWHERE}\nJOBS_GIT_TOKEN=file-token-1\n")
    assert Settings.load(env.parent).jobs_git_token == "file-token-1"
    monkeypatch.setenv("JOBS_GIT_TOKEN", "file-token-1")  # a shell that has read the file itself
    assert Settings.load(env.parent).jobs_git_token == "file-token-1"
    monkeypatch.setenv("JOBS_GIT_REPO_URL", ELSEWHERE)
    monkeypatch.setenv("JOBS_GIT_TOKEN", "shell-token-1")
    assert Settings.load(env.parent).jobs_git_token == "shell-token-1"
    monkeypatch.delenv("JOBS_GIT_TOKEN")
    assert Settings.load(env.parent).jobs_git_token == "file-token-1"


def test_a_token_beside_an_address_that_gets_none_is_no_fault(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS_GIT_TOKEN", "shell-token-1")
    for url in ("/srv/bundle.git", "git@elsewhere.test:o/r.git", "ssh://git@elsewhere.test/o/r.git"):
        env.write_text(f"JOBS_GIT_REPO_URL={url}\n")
        assert Settings.load(env.parent).jobs_git_repo_url == url


@pytest.mark.parametrize(
    ("written", "exported"),
    [("JOBS_GIT_TOKEN", "JOBS_GIT_TOKEN_FILE"), ("JOBS_GIT_TOKEN_FILE", "JOBS_GIT_TOKEN")],
)
def test_the_environment_wins_over_the_env_file_also_between_a_value_and_its_file(
    env: Path, monkeypatch: pytest.MonkeyPatch, written: str, exported: str
) -> None:
    file = env.parent / "token"

    def value(name: str, text: str) -> str:
        if name == "JOBS_GIT_TOKEN":
            return text
        file.write_text(text)
        return str(file)

    env.write_text(f"{written}={value(written, 'from-the-file')}\n")
    monkeypatch.setenv(exported, value(exported, "from-the-shell"))
    assert Settings.load(env.parent).jobs_git_token == "from-the-shell"


def test_the_environment_wins_under_either_name_of_a_setting(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_text("DATABASE_URL=postgresql://h/file\n")
    monkeypatch.setenv("LIFE_HUB_DB_URL", "postgresql://h/shell")
    assert Settings.load(env.parent).life_hub_url == "postgresql+psycopg://h/shell"
