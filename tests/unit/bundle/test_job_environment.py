from __future__ import annotations

import base64
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bundle.job_environment import LIKELY, JobEnvironment
from chalicelib.model.jobs import JobSpec
from chalicelib.settings import Settings
from tests.conftest import job_record

LINE = "AAAAB3NzaC1yc2EAAAADAQABAAABAQDYd2qQ"
KEY = base64.b64encode(f"-----BEGIN PRIVATE KEY-----\n{LINE}\n-----END PRIVATE KEY-----".encode()).decode()
HOOK = "https://hooks.test/abcdef"
GIVEN = {
    "PATH": "/bin",
    "JOB_QUEUE_DB_URL": "postgresql://me:store-password@h/d",
    "JOBS_GIT_TOKEN": "git-token",
    "SAURON_API_TOKENS": "jarvis:operate:api-token-1",
    "SAURON_ALERT_WEBHOOK_URL": HOOK,
    "SAURON_SSH_KNOWN_HOSTS": "host ssh-ed25519 AAAA",
    "SAURON_SSH_KEY_PATH": "/run/key",
    "SSH_PRIVATE_KEY_B64": KEY,
    "DATABASE_URL": "postgresql://me:hub-password@h/d",
    "CRM_LOGIN": "crm-login-1",
    "FROM_EMAIL": "sauron@example.test",
    "PIP_INDEX_URL": "https://index.test/simple",
    "STRIPE_API_KEY": "likely-a-secret",
    "CACHE_URL": "redis://cache:cache-password@h/0",
    "USE_TOKEN": "true",
}


def spec(**fields: Any) -> JobSpec:
    return JobSpec.from_record(job_record("j", **fields))


def secrets(*names: str) -> list[dict[str, Any]]:
    return [{"key": name, "required": True} for name in names]


def environ(**more: str) -> JobEnvironment:
    return JobEnvironment(Settings.read(GIVEN | more))


def test_a_job_that_declares_its_secrets_sees_the_whitelist() -> None:
    assert environ().of(spec(secrets=secrets("CRM_LOGIN"))) == {
        "PATH": "/bin",
        "SAURON_SSH_KNOWN_HOSTS": "host ssh-ed25519 AAAA",
    }


def test_every_job_sees_the_name_of_its_scheduler_and_whether_runs_are_claimed() -> None:
    told = {"JOB_SCHEDULER_NAME": "elrond", "JOB_QUEUE_ENABLED": "0"}
    for declared in (None, [], secrets("CRM_LOGIN")):
        assert environ(**told).of(spec(secrets=declared)).items() >= told.items()


def test_who_may_have_the_ssh_key_may_read_its_file() -> None:
    assert environ().of(spec(secrets=secrets("SSH_PRIVATE_KEY_B64")))["SAURON_SSH_KEY_PATH"] == "/run/key"
    only_file = {name: value for name, value in GIVEN.items() if name != "SSH_PRIVATE_KEY_B64"}
    assert (
        JobEnvironment(Settings.read(only_file)).missing(spec(secrets=secrets("SSH_PRIVATE_KEY_B64"))) == []
    )


def test_the_compatible_environment_holds_all_but_what_opens_sauron() -> None:
    seen = environ().of(spec(secrets=None))
    assert seen.keys() == {
        *(
            "PATH",
            "SAURON_SSH_KNOWN_HOSTS",
            "SAURON_SSH_KEY_PATH",
            "SSH_PRIVATE_KEY_B64",
            "CRM_LOGIN",
            "FROM_EMAIL",
            "PIP_INDEX_URL",
        ),
        *("DATABASE_URL", "LIFE_HUB_DB_URL", "STRIPE_API_KEY", "CACHE_URL", "USE_TOKEN"),
    }
    assert environ().zygote() == seen


def test_a_bundle_may_be_told_to_declare_everything() -> None:
    strict = environ(SAURON_JOB_ENV="declared")
    assert strict.of(spec(secrets=None)).keys() == {"PATH", "SAURON_SSH_KNOWN_HOSTS"}
    assert strict.installer().keys() == {"PATH", "SAURON_SSH_KNOWN_HOSTS", "PIP_INDEX_URL"}
    assert (strict.spawns(spec(secrets=[])), environ().spawns(spec(secrets=[]))) == (False, True)


def test_no_job_may_declare_what_opens_sauron() -> None:
    names = ("JOB_QUEUE_DB_URL", "JOBS_GIT_TOKEN", "SAURON_API_TOKENS", "SAURON_ALERT_WEBHOOK_URL")
    assert environ().secrets(spec(secrets=secrets(*names))) == ({}, list(names))


def test_a_builtin_job_sees_how_mail_is_sent_and_nothing_else() -> None:
    built = JobSpec.from_record(job_record("sauron.digest", secrets=[]))
    assert environ().of(built).keys() == {"PATH", "SAURON_SSH_KNOWN_HOSTS", "FROM_EMAIL"}


@pytest.mark.parametrize(
    "secret", ["store-password", "hub-password", "git-token", "api-token-1", HOOK, KEY, LINE]
)
def test_what_the_settings_hold_is_blotted_out_without_being_declared(secret: str) -> None:
    assert environ().masker().text(f"<{secret}>") == "<***>"


def test_what_any_job_declares_is_blotted_out_of_all_jobs_words_once_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("token-from-a-file\n")
    known = environ(DISK_LOGIN_FILE=str(tmp_path / "file"))
    assert known.masker().text("crm-login-1 token-from-a-file") == "crm-login-1 token-from-a-file"
    known.learn(["CRM_LOGIN", "DISK_LOGIN", "FROM_EMAIL"])
    assert known.masker().text("crm-login-1 token-from-a-file") == "*** ***"
    # a setting that is no secret stays one
    assert known.masker().text("sauron@example.test") == "sauron@example.test"
    assert known.masked_names >= {"CRM_LOGIN", "DISK_LOGIN", "DATABASE_URL"}
    assert "FROM_EMAIL" not in known.masked_names


def test_what_looks_like_a_secret_is_blotted_out_though_nobody_declares_it() -> None:
    text = "likely-a-secret cache-password true redis"
    assert environ().masker().text(text) == "*** *** true redis"
    assert "STRIPE_API_KEY" in environ().masked_names


@pytest.mark.parametrize("name", ["PGPASSWORD", "MYSQL_PWD", "SSHPASS", "GITLABTOKEN"])
def test_names_without_an_underscore_look_like_secrets_too(name: str) -> None:
    assert LIKELY.search(name)
    assert not any(LIKELY.search(harmless) for harmless in ("PWD", "OLDPWD", "PATH", "BYPASS", "KEYBOARD"))


def test_the_password_of_a_declared_address_is_blotted_out_by_itself() -> None:
    known = environ(OPS_DB="postgresql://ops:ops-password@h/d")
    known.learn(["OPS_DB"])
    assert known.masker().text("auth failed with ops-password") == "auth failed with ***"


@pytest.mark.parametrize("declared", ["LIFE_HUB_DB_URL", "DATABASE_URL"])
def test_a_secret_from_a_file_reaches_every_job_that_may_have_it(tmp_path: Path, declared: str) -> None:
    (tmp_path / "file").write_text("postgresql://me:hub-password@h/d\n")
    given = JobEnvironment(Settings.read({"PATH": "/bin", "DATABASE_URL_FILE": str(tmp_path / "file")}))
    assert given.of(spec(secrets=None))[declared] == "postgresql://me:hub-password@h/d"
    assert given.secrets(spec(secrets=secrets(declared)))[0] == {declared: "postgresql://me:hub-password@h/d"}


def test_on_lambda_jobs_find_the_libraries_that_lie_beside_saurons_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for how in ("compatible", "declared"):
        here = {"SAURON_JOB_ENV": how, "PYTHONPATH": "/var/runtime"}
        on_lambda = JobEnvironment(Settings.read({**here, "AWS_LAMBDA_FUNCTION_NAME": "sauron-prod-work"}))
        places = on_lambda.zygote()["PYTHONPATH"].split(":")
        assert str(tmp_path) in places
        assert sysconfig.get_path("stdlib") not in places
        assert "PYTHONPATH" not in JobEnvironment(Settings.read({"SAURON_JOB_ENV": how})).zygote()


def test_on_lambda_every_job_gets_the_folders_of_pythons_own_libraries() -> None:
    path = {"LD_LIBRARY_PATH": "/var/lang/lib:/lib64"}
    for how in ("compatible", "declared"):
        on_lambda = JobEnvironment(
            Settings.read({"SAURON_JOB_ENV": how, "AWS_LAMBDA_FUNCTION_NAME": "sauron-prod-work", **path})
        )
        for job in (spec(secrets=None), spec(secrets=secrets("CRM_LOGIN")), spec(secrets=[])):
            assert on_lambda.of(job).items() >= path.items()
        assert on_lambda.zygote().items() >= path.items()
    elsewhere = JobEnvironment(Settings.read({"SAURON_JOB_ENV": "declared", **path}))
    assert "LD_LIBRARY_PATH" not in elsewhere.zygote()


@pytest.mark.parametrize(
    "raw", [b"", b" \n", b"\xef\xbb\xbf", "token-1234".encode("utf-16"), b"caf\xe9-1234"]
)
def test_a_job_does_not_start_with_a_secret_from_a_file_that_cannot_be_used(
    tmp_path: Path, raw: bytes
) -> None:
    (tmp_path / "file").write_bytes(raw)
    known = environ(DISK_LOGIN_FILE=str(tmp_path / "file"))
    assert known.secrets(spec(secrets=secrets("DISK_LOGIN"))) == ({}, ["DISK_LOGIN"])


def test_a_byte_order_mark_is_not_part_of_a_jobs_secret(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbftoken-1234\r\n")
    known = environ(DISK_LOGIN_FILE=str(tmp_path / "file"))
    assert known.secrets(spec(secrets=secrets("DISK_LOGIN"))) == ({"DISK_LOGIN": "token-1234"}, [])


SHORT = {
    "DOOR_TOKEN": "12345678",
    "STORE_URL": "redis://cache-of-the-house:1234%21@store.test/0",
    "SAURON_API_TOKENS": "jarvis:operate:87654321,grafana:read:" + "r" * 32,
    "JOBS_GIT_TOKEN": "  git-tok-1\t",
}


@pytest.mark.parametrize(
    "guess",
    [
        "12345678",
        12345678,
        base64.b64encode(b"12345678").decode(),
        "redis://cache-of-the-house:1234%21@store.test/0",
        "cache-of-the-house:1234%21",
        "cache-of-the-house:1234!",
        "jarvis:operate:87654321,grafana:read:" + "r" * 32,
        "87654321",
        "git-tok-1",
    ],
)
def test_what_is_found_by_guessing_a_short_secret_is_not_told_from_other_texts(guess: object) -> None:
    both = environ(**SHORT)
    both.learn(["DOOR_TOKEN"])
    masked = both.request_masker().value({"a": guess})
    assert masked in ({"a": guess}, {"a": str(guess).replace("r" * 32, "***")})
    assert both.masker().value({"a": guess}) != {"a": guess}


def test_long_secrets_are_found_in_requests_in_every_spelling() -> None:
    masker = environ(DOOR_TOKEN="a-long-secret").request_masker()
    for sent in ("a-long-secret", "x a-long-secret y", b"a-long-secret".hex(), "hub-password", LINE, HOOK):
        assert "***" in masker.text(sent)
    assert masker.text("postgresql://me:store-password@h/d") == "***"


def test_a_secret_that_is_learned_later_is_found_in_requests() -> None:
    jobs = environ(DOOR_LOGIN="a-long-secret")
    assert jobs.request_masker().text("a-long-secret") == "a-long-secret"
    jobs.learn(["DOOR_LOGIN"])
    assert jobs.request_masker().text("a-long-secret") == "***"


def test_what_is_shown_hides_an_address_with_a_short_password() -> None:
    shown = environ(STORE_URL="redis://cache-of-the-house:abc@store.test/0").masker()
    assert "house" not in shown.text("redis://cache-of-the-house:abc@store.test/0")
