from __future__ import annotations

import base64
from pathlib import Path

import pytest

from chalicelib.errors import SettingsError
from sauron.aws import desired
from sauron.aws.cloud import Cloud
from sauron.aws.names import Names
from sauron_jobs_loader.git.address import parse_address
from tests.tls_servers import Authority

PROD = Names("prod")
HERE = Cloud(None, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/me")
GIVEN = {
    "JOB_QUEUE_DB_URL": "postgres://u:password-of-the-store@db.example.org/sauron",
    "JOBS_GIT_REPO_URL": "https://git.example.org/a/b.git",
    "SAURON_API_TOKENS": "me:admin:a-long-token",
}


def test_secrets_go_to_parameters_and_what_belongs_to_this_machine_stays_here(tmp_path: Path) -> None:
    hosts = tmp_path / "known_hosts"
    hosts.write_text("git.example.org ssh-ed25519 AAAA\n", encoding="utf-8")
    (tmp_path / "token").write_text("a-git-token\n", encoding="utf-8")
    key = base64.b64encode(b"-----BEGIN OPENSSH PRIVATE KEY-----").decode()
    here = {
        "API_PORT": "9000",
        "JOBS_DIR": "/srv/jobs",
        "SAURON_BACKUP_DIR": "/srv/backups",
        "LOG_LEVEL": "DEBUG",
        "HOME": "/root",
    }
    more = {
        "SAURON_SSH_KNOWN_HOSTS": str(hosts),
        "JOBS_GIT_TOKEN_FILE": str(tmp_path / "token"),
        "SSH_PRIVATE_KEY_B64": key,
    }
    found = desired.read(GIVEN | here | more)
    assert found.variables == {
        "JOBS_DIR": desired.JOBS_DIR,
        "JOBS_GIT_REPO_URL": GIVEN["JOBS_GIT_REPO_URL"],
        "LOG_LEVEL": "DEBUG",
    }
    assert found.secrets["SAURON_SSH_KNOWN_HOSTS"] == hosts.read_text(encoding="utf-8")
    assert found.secrets["JOBS_GIT_TOKEN"] == "a-git-token"
    assert found.secrets.keys() == {
        *GIVEN,
        "SAURON_SSH_KNOWN_HOSTS",
        "JOBS_GIT_TOKEN",
        "SSH_PRIVATE_KEY_B64",
    } - {"JOBS_GIT_REPO_URL"}
    assert "password-of-the-store" not in repr(found)


def test_a_file_of_known_hosts_that_cannot_be_read_is_a_fault() -> None:
    with pytest.raises(SettingsError, match="names the file /nonexistent/hosts, which cannot be read"):
        desired.read(GIVEN | {"SAURON_SSH_KNOWN_HOSTS": "/nonexistent/hosts"})


def test_a_database_s_root_is_a_parameter_and_a_word_for_it_a_variable(tmp_path: Path) -> None:
    pem = Authority.make().pem
    (tmp_path / "ca.pem").write_text(f"a remark\n{pem}", encoding="utf-8")
    for given in ({"SAURON_DB_CA": pem}, {"SAURON_DB_CA_FILE": str(tmp_path / "ca.pem")}):
        found = desired.read(GIVEN | given)
        assert (found.secrets["SAURON_DB_CA"], found.db_ca) == (pem, pem)
        assert "SAURON_DB_CA" not in found.variables
    found = desired.read(GIVEN | {"SAURON_DB_CA": "system"})
    assert (found.variables["SAURON_DB_CA"], found.db_ca) == ("system", "system")


def test_the_plan_says_when_nothing_verifies_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("", "verify-full"):  # of this machine: it does not reach the functions
        monkeypatch.setenv("PGSSLMODE", mode)
        notes = desired.read(GIVEN).notes
        assert sum("JOB_QUEUE_DB_URL: nothing verifies" in note for note in notes) == 1
    monkeypatch.delenv("PGSSLMODE")
    assert not any("verifies" in n for n in desired.read(GIVEN | {"SAURON_DB_CA": "system"}).notes)


def test_a_file_s_names_that_are_no_settings_are_secrets_of_jobs() -> None:
    written = ["STRIPE_KEY", "JOBS_GIT_REPO_URL", "AWS_PROFILE", "HTTPS_PROXY", "SAURON_URL"]
    found = desired.read(GIVEN | dict.fromkeys(written, "x") | GIVEN, written=written)
    assert found.secrets.keys() - GIVEN.keys() == {"STRIPE_KEY"}


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "PYTHONPATH", "SAURON_URL", "with space", ""])
def test_a_secret_that_would_change_the_function_itself_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="--secret"):
        desired.read(GIVEN | {name: "x"}, job_secrets=[name])


def test_what_is_too_long_for_aws_is_refused_by_name_and_without_its_value() -> None:
    long = "v" * 9000
    with pytest.raises(SettingsError) as refused:
        desired.read(GIVEN | {"JOBS_GIT_TOKEN": long, "JOB_SCHEDULER_NAME": "s" * 4000})
    assert "JOBS_GIT_TOKEN: longer than" in str(refused.value)
    assert "JOB_SCHEDULER_NAME: a function's variables" in str(refused.value)
    assert long not in str(refused.value)


def test_a_database_of_this_machine_is_pointed_out() -> None:
    local = GIVEN | {"JOB_QUEUE_DB_URL": "postgresql://u@localhost/sauron"}
    assert any("cannot reach it" in note for note in desired.read(local).notes)
    assert not any("cannot reach it" in note for note in desired.read(GIVEN).notes)


@pytest.mark.parametrize(
    "before_the_host",
    ["token-in-the-address@", "x-access-token:token-in-the-address@", ":token-in-the-address@"],
)
def test_a_token_in_the_bundle_s_address_becomes_a_secret_and_no_variable(before_the_host: str) -> None:
    url = f"https://{before_the_host}git.example.org:8443/a/b.git"
    found = desired.read(GIVEN | {"JOBS_GIT_REPO_URL": url})
    assert found.variables["JOBS_GIT_REPO_URL"] == "https://git.example.org:8443/a/b.git"
    assert found.secrets["JOBS_GIT_TOKEN"] == "token-in-the-address"
    assert any("JOBS_GIT_TOKEN" in note for note in found.notes)
    assert "token-in-the-address" not in repr(found)


def test_a_token_that_is_given_wins_over_the_one_in_the_bundle_s_address() -> None:
    url = "https://x-access-token:token-in-the-address@git.example.org/a/b.git"
    found = desired.read(GIVEN | {"JOBS_GIT_REPO_URL": url, "JOBS_GIT_TOKEN": "a-git-token"})
    assert found.secrets["JOBS_GIT_TOKEN"] == "a-git-token"
    assert found.variables["JOBS_GIT_REPO_URL"] == "https://git.example.org/a/b.git"


def test_an_address_whose_secret_part_cannot_be_told_is_refused_without_it() -> None:
    with pytest.raises(SettingsError) as refused:
        desired.read(GIVEN | {"JOBS_GIT_REPO_URL": "https://some-user:some-password@git.example.org/a/b.git"})
    assert "JOBS_GIT_TOKEN" in str(refused.value)
    assert "https://user@git.example.org/a/b.git" in str(refused.value)
    assert "some-" not in str(refused.value)


def test_a_user_name_beside_a_token_stays_in_the_address_and_is_told() -> None:
    named = GIVEN | {
        "JOBS_GIT_REPO_URL": "https://a%40b@git.example.org/a/b.git",
        "JOBS_GIT_TOKEN": "a-git-token",
    }
    found = desired.read(named)
    assert found.variables["JOBS_GIT_REPO_URL"] == named["JOBS_GIT_REPO_URL"]
    address = parse_address(found.variables["JOBS_GIT_REPO_URL"], token=found.secrets["JOBS_GIT_TOKEN"])
    assert (address.token_user, address.token) == ("a@b", "a-git-token")
    assert any("user name" in note for note in found.notes)
    same = desired.read(named | {"JOBS_GIT_REPO_URL": "https://a-git-token@git.example.org/a/b.git"})
    assert same.variables["JOBS_GIT_REPO_URL"] == "https://git.example.org/a/b.git"


def test_no_other_address_with_a_password_becomes_a_variable() -> None:
    with pytest.raises(SettingsError, match="SAURON_PUBLIC_URL") as refused:
        desired.read(GIVEN | {"SAURON_PUBLIC_URL": "https://me:a-password@sauron.example.org"})
    assert "a-password" not in str(refused.value)


def test_an_address_that_no_function_could_fetch_is_refused_before_it_is_deployed() -> None:
    with pytest.raises(SettingsError, match="JOBS_GIT_REPO_URL") as refused:
        desired.read(GIVEN | {"JOBS_GIT_REPO_URL": "https://git.example.org/a/b.git?token=in-the-query"})
    assert "in-the-query" not in str(refused.value)


def test_the_plan_names_the_lines_of_a_file_that_reach_no_function() -> None:
    file = {
        "REPORT_PATH": "/srv/report",
        "HTTPS_PROXY": "http://proxy:3128",
        "API_PORT": "80",
        "CRM_TOKEN": "x",
    }
    wants = desired.read({**GIVEN, **file}, written=list(file))
    assert "CRM_TOKEN" in wants.secrets
    here, refused = [note for note in wants.notes if "not deployed" in note.lower()]
    assert here == "Of this machine, so not deployed: API_PORT."
    assert refused.startswith("Not deployed: HTTPS_PROXY, REPORT_PATH.")
