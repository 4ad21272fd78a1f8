from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.errors import SettingsError
from sauron.aws import source, wanted
from sauron.aws.cloud import Cloud
from sauron.aws.names import Names
from tests.e2e.outside import ROOT

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
    more = {"SAURON_SSH_KNOWN_HOSTS": str(hosts), "JOBS_GIT_TOKEN_FILE": str(tmp_path / "token"), "SSH_PRIVATE_KEY_B64": key}
    found = wanted.read(GIVEN | here | more, PROD)
    assert found.variables == {
        "JOBS_DIR": wanted.JOBS_DIR,
        "JOBS_GIT_REPO_URL": GIVEN["JOBS_GIT_REPO_URL"],
        "LOG_LEVEL": "DEBUG",
        "SAURON_SSM_PATH": "/sauron/prod",
    }
    assert found.secrets["SAURON_SSH_KNOWN_HOSTS"] == hosts.read_text(encoding="utf-8")
    assert found.secrets["JOBS_GIT_TOKEN"] == "a-git-token"
    assert found.secrets.keys() == {*GIVEN, "SAURON_SSH_KNOWN_HOSTS", "JOBS_GIT_TOKEN", "SSH_PRIVATE_KEY_B64"} - {
        "JOBS_GIT_REPO_URL"
    }
    assert "password-of-the-store" not in repr(found)


def test_a_file_s_names_that_are_no_settings_are_secrets_of_jobs() -> None:
    written = ["STRIPE_KEY", "JOBS_GIT_REPO_URL", "AWS_PROFILE", "HTTPS_PROXY", "SAURON_URL"]
    found = wanted.read(GIVEN | dict.fromkeys(written, "x") | GIVEN, PROD, written=written)
    assert found.secrets.keys() - GIVEN.keys() == {"STRIPE_KEY"}


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "PYTHONPATH", "SAURON_URL", "with space", ""])
def test_a_secret_that_would_change_the_function_itself_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="--secret"):
        wanted.read(GIVEN | {name: "x"}, PROD, job_secrets=[name])


def test_what_is_too_long_for_aws_is_refused_by_name_and_without_its_value() -> None:
    long = "v" * 9000
    with pytest.raises(SettingsError) as refused:
        wanted.read(GIVEN | {"JOBS_GIT_TOKEN": long, "JOB_SCHEDULER_NAME": "s" * 4000}, PROD)
    assert "JOBS_GIT_TOKEN: longer than" in str(refused.value)
    assert "JOB_SCHEDULER_NAME: all variables" in str(refused.value)
    assert long not in str(refused.value)


def test_a_database_of_this_machine_is_pointed_out() -> None:
    local = GIVEN | {"JOB_QUEUE_DB_URL": "postgresql://u@localhost/sauron"}
    assert any("cannot reach it" in note for note in wanted.read(local, PROD).notes)
    assert not any("cannot reach it" in note for note in wanted.read(GIVEN, PROD).notes)


def test_the_digest_changes_with_the_settings_and_the_account_and_not_with_their_order() -> None:
    one, other = (source.config(ROOT, "prod", {"LOG_LEVEL": level}) for level in ("INFO", "DEBUG"))
    assert source.digest(ROOT, one, HERE) == source.digest(ROOT, dict(reversed(list(one.items()))), HERE)
    assert source.digest(ROOT, one, HERE) != source.digest(ROOT, other, HERE)
    assert source.digest(ROOT, one, HERE) != source.digest(ROOT, one, replace(HERE, account="210987654321"))
    assert list(one["stages"]) == ["prod"]


def test_a_policy_reaches_aws_for_one_partition_region_and_account_and_mail_for_the_region_that_sends_it(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / ".chalice", root / ".chalice", ignore=shutil.ignore_patterns("deploy*"))
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, root)
    ours = {"Resource": ["*", "arn:aws:s3:::bucket/*", "arn:aws:sqs:*:210987654321:other"]}
    (root / ".chalice/policy-prod-mine.json").write_text(json.dumps(ours), encoding="utf-8")
    china = Cloud(None, "cn-north-1", "123456789012", "arn:aws-cn:iam::123456789012:user/me", "aws-cn")
    for variables, mail in (({}, "us-east-1"), ({"AWS_SES_REGION": "cn-northwest-1"}, "cn-northwest-1")):
        folder = source.copy(root, "prod", source.config(root, "prod", variables), china)
        for file in sorted((folder / ".chalice").glob("policy-*-[!m]*.json")):
            for statement in json.loads(file.read_text(encoding="utf-8"))["Statement"]:
                resources = statement["Resource"]
                for resource in [resources] if isinstance(resources, str) else resources:
                    service = resource.split(":")[2]
                    region = mail if service == "ses" else "cn-north-1"
                    assert resource.startswith(f"arn:aws-cn:{service}:{region}:123456789012:"), resource
        assert json.loads((folder / ".chalice/policy-prod-mine.json").read_text(encoding="utf-8")) == {
            "Resource": ["*", "arn:aws-cn:s3:::bucket/*", "arn:aws-cn:sqs:*:210987654321:other"]
        }
