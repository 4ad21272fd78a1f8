"""`sauron aws up` and `down` from outside: a copy of the checkout, a stand-in for AWS, a real PostgreSQL.

The stage is deployed once for the module; each test goes on from what the ones before left, in the order of
this file.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chalicelib.store import schema
from sauron.aws.desired import JOBS_DIR
from sauron.aws.names import HANDLERS
from tests import aws_iam, aws_server, lambda_zip
from tests.aws_state import PATHS, PROD, state
from tests.conftest import Databases
from tests.e2e.outside import ROOT, Said, environ_of
from tests.life_hub import ask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # moto looks for a container engine when a function is called, and forgets to close what it opened
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
SECRETS = {
    "SAURON_API_TOKENS": "me:admin:token-that-nobody-sees",
    "JOBS_GIT_TOKEN": "git-token-that-nobody-sees",
    "STRIPE_KEY": "key-of-a-job-that-nobody-sees",
}
ADDRESS = "https://x-access-token:password-in-the-address-that-nobody-sees@git.example.org/team/bundle.git"
# What is needed when a queue was changed by hand, when functions have tags, or another Chalice changes them.
AT_TIMES = {"sqs:SetQueueAttributes", "lambda:TagResource", "lambda:UntagResource"}
DEPLOYER = {"AWS_ACCESS_KEY_ID": "AKIADEPLOYER"}
PLAIN = {
    "JOBS_GIT_REPO_URL": "https://git.example.org/team/bundle.git",
    "ALERT_EMAIL": "ops@example.org",
    "FROM_EMAIL": "s@example.org",
}


@dataclass
class Operator:
    """Somebody in a checkout, with an account and a database."""

    aws: aws_server.Aws
    folder: Path
    settings: dict[str, str]
    secrets: list[str]
    judged: aws_iam.Judged
    seen: list[str] = field(default_factory=list)

    def sauron(self, *arguments: str, **more: str) -> Said:
        """Run a command in the checkout; whatever it and its processes say is kept in `seen`."""
        paths = {"PYTHONPATH": f"{self.folder}:{self.folder / 'container'}"}
        environ = environ_of(
            **(
                self.settings
                | self.aws.environ
                | DEPLOYER
                | paths
                | {name: v for name, v in more.items() if v}
            )
        )
        for name in [name for name, value in more.items() if not value]:
            environ.pop(name, None)
        with subprocess.Popen(
            [sys.executable, "-m", "sauron.cli", "aws", *arguments],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            watch = threading.Thread(target=self._watch, args=(process,))
            watch.start()
            out, err = process.communicate(timeout=600)
            watch.join()
        self.seen += [out, err]
        return Said(process.returncode, out, err)

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Note the arguments of the process and its children, and the environment of the children."""
        while process.poll() is None:
            for pid in (process.pid, *_children(process.pid)):
                argv = _read(pid, "cmdline")
                self.seen.append(argv)
                if "chalice" in argv:  # before that it shows what it was forked from
                    self.seen.append(_read(pid, "environ"))
            time.sleep(0.05)

    def up(self, *arguments: str, **more: str) -> Said:
        return self.sauron("up", "--yes", "--secret", "STRIPE_KEY", *arguments, **more)

    def acts(self, *arguments: str, **more: str) -> dict[str, str]:
        """Return what each step of the plan would do."""
        said = self.up("--dry-run", "--json", *arguments, **more)
        assert said.code == 0, said.err
        return {step["what"]: step["act"] for step in said.json["steps"]}


def _children(pid: int) -> list[int]:
    return [int(one) for one in _read(pid, f"task/{pid}/children").split()]


def _read(pid: int, kind: str) -> str:
    try:
        return Path(f"/proc/{pid}/{kind}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Operator]:
    """A checkout and an empty account."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("chalicelib", "sauron_jobs_loader", "container", "vendor", ".chalice"):
        ignored = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    store = databases.make(migrated=False).replace("postgresql+psycopg://", "postgresql://")
    aws = aws_server.start()
    policy = aws_iam.statements((ROOT / "docs/aws-deployer.json").read_text(encoding="utf-8"))
    settings = {**PLAIN, **SECRETS, "JOB_QUEUE_DB_URL": store}
    made = Operator(
        aws,
        folder,
        settings,
        [*SECRETS.values(), store, "password-in-the-address-that-nobody-sees"],
        aws_iam.judge(DEPLOYER["AWS_ACCESS_KEY_ID"], policy),
    )
    yield made
    aws.close()


@pytest.fixture(scope="module")
def deployed(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """The same, after the first `up`. Chalice finds the layer that an earlier run of the tests packed."""
    layers = operator.folder / "build/aws/prod/.chalice/deployments"
    with lambda_zip.kept_layers(operator.folder) as kept:
        if kept.is_dir():
            shutil.copytree(kept, layers)
        elif _cannot_download(tmp_path_factory.mktemp("one")):
            pytest.skip("the package index cannot be reached, and Chalice downloads what it packs")
        said = operator.up(
            "--concurrency", "5", "--alarm-email", "ops@example.org", JOBS_GIT_REPO_URL=ADDRESS
        )
        assert said.code == 0, said.out + said.err
        if not kept.is_dir():
            lambda_zip.keep(layers.glob("managed-layer-*.zip"), kept)
    return operator


def _cannot_download(folder: Path) -> bool:
    one = next(
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("tzdata==")
    )
    asked = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-qq",
        "--retries=1",
        "--no-deps",
        "--dest",
        str(folder),
    ]
    return subprocess.run([*asked, one.removesuffix(" \\")], capture_output=True, check=False).returncode != 0


def test_all_faults_are_told_at_once_with_what_to_write(operator: Operator) -> None:
    wrong = {
        "JOB_QUEUE_DB_URL": "sqlite:////tmp/x.sqlite3",
        "JOBS_GIT_REPO_URL": "git@example.org:a/b",
        "SAURON_API_TOKENS": "",
    }
    said = operator.sauron(
        "up", "--stage", "test", "--secret", "NOWHERE", LOG_LEVEL="loud", AWS_ACCESS_KEY_ID="", **wrong
    )
    assert said.code == 2
    for fault in (
        "postgresql://",
        "https://host",
        "openssl rand",
        "NOWHERE is not set",
        "LOG_LEVEL",
        "no stage 'test'",
        "AWS_PROFILE",
    ):
        assert fault in said.err, fault


def test_a_database_that_is_not_there_is_told_without_its_password(operator: Operator) -> None:
    said = operator.up(JOB_QUEUE_DB_URL="postgresql://u:secret-of-the-store@127.0.0.1:1/nothing")
    assert said.code == 1
    assert "JOB_QUEUE_DB_URL" in said.err
    assert "secret-of-the-store" not in said.out + said.err


def test_a_dry_run_changes_nothing(operator: Operator) -> None:
    before = state(operator.aws)
    acts = operator.acts()
    assert set(acts.values()) == {"create"}
    assert acts["queue sauron-prod-runs"] == "create"
    assert state(operator.aws) == before
    assert not before["functions"]
    assert not ask(
        operator.settings["JOB_QUEUE_DB_URL"], "SELECT 1 FROM pg_tables WHERE tablename = 'job_queue'"
    )
    assert not (operator.folder / "build").exists()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--forget", "STRIPE_KEY"], "STRIPE_KEY is still set here"),
        (["--alarm-email", "nope"], "'nope' is not an email address"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(
    operator: Operator, arguments: list[str], fault: str
) -> None:
    said = operator.up("--dry-run", *arguments)
    assert said.code == 2
    assert fault in said.err


def test_a_profile_that_is_not_there_is_one_line(operator: Operator) -> None:
    said = operator.up("--dry-run", AWS_PROFILE="nope")
    assert said.code == 2
    assert "nope" in said.err
    assert "Traceback" not in said.err


def test_a_profile_that_asks_a_person_is_asked_once(operator: Operator, tmp_path: Path) -> None:
    asked, keys = tmp_path / "asked", tmp_path / "keys"
    keys.write_text(
        f"#!/bin/sh\necho x >> {asked}\n"
        """echo '{"Version": 1, "AccessKeyId": "testing", "SecretAccessKey": "testing"}'\n"""
    )
    keys.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[profile mfa]\ncredential_process = {keys}\n")
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    said = operator.up("--dry-run", AWS_PROFILE="mfa", AWS_CONFIG_FILE=str(config), **none)
    assert said.code == 0, said.err
    assert asked.read_text() == "x\n"


def test_nothing_is_done_when_nobody_agreed(operator: Operator) -> None:
    before = state(operator.aws)
    said = operator.sauron("up", "--secret", "STRIPE_KEY")
    assert said.code == 1
    assert "--yes" in said.err
    assert state(operator.aws) == before


def test_up_makes_everything_that_the_stage_needs(deployed: Operator) -> None:
    has = state(deployed.aws)
    alive, dead = sorted(has["queues"].items())
    assert alive[0].endswith("/sauron-prod-runs")
    assert dead[0].endswith("/sauron-prod-runs-dead")
    assert alive[1]["VisibilityTimeout"] == "5400"
    assert json.loads(alive[1]["RedrivePolicy"]) == {
        "deadLetterTargetArn": dead[1]["QueueArn"],
        "maxReceiveCount": 5,
    }
    assert dead[1]["MessageRetentionPeriod"] == "1209600"
    assert set(has["functions"]) == set(PROD.functions)
    sizes = {name: one["EphemeralStorage"]["Size"] for name, one in has["functions"].items()}
    assert sizes == dict.fromkeys(PROD.functions, 512) | {"sauron-prod-sync": 2048, "sauron-prod-work": 2048}
    limits = dict.fromkeys(HANDLERS, (29, 512)) | {"tick": (60, 512), "upkeep": (120, 512)}
    limits |= {"sync": (300, 1024), "work": (900, 1024)}
    for handler, limit in limits.items():
        one = has["functions"][PROD.function(handler)]
        assert (one["Timeout"], one["MemorySize"]) == limit
        assert one["Role"].endswith(f"/sauron-prod-{handler}")
    assert [scaling for _, scaling in has["mappings"]] == [{"MaximumConcurrency": 5}]
    assert has["groups"] == {PROD.log_group(name): 30 for name in PROD.functions}
    assert set(has["rules"].values()) == {"rate(1 minute)"}
    assert len(has["rules"]) == 3
    assert set(has["alarms"]) == {
        *("sauron-prod-tick-stopped", "sauron-prod-tick-errors", "sauron-prod-upkeep-errors"),
        "sauron-prod-work-throttles",
        *("sauron-prod-dead-letters", "sauron-prod-dead-letters-left"),
    }
    assert len(has["apis"]) == 1
    assert has["limits"] == {
        "shares": {"sauron-prod-tick": 1, "sauron-prod-upkeep": 1},
        "events": {PROD.function(handler): (0, 60) for handler in ("tick", "sync", "upkeep")},
        "loops": "Allow",
        "rate": (20.0, 40),
    }
    assert ask(deployed.settings["JOB_QUEUE_DB_URL"], "SELECT version_num FROM alembic_version") == [
        (schema.HEAD,)
    ]


def test_no_role_may_touch_anything_of_another_account_or_region(deployed: Operator) -> None:
    iam = deployed.aws.client("iam")
    account = deployed.aws.client("sts").get_caller_identity()["Account"]
    for handler in HANDLERS:
        role = PROD.role(handler)
        [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
        for statement in iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]:
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:
                assert resource.split(":")[3:5] == [aws_server.REGION, account], resource


def test_secrets_are_encrypted_parameters_and_everything_else_is_a_variable(deployed: Operator) -> None:
    has = state(deployed.aws)
    kept = {
        name.rpartition("/")[2]: value
        for name, (kind, value, _) in has["parameters"].items()
        if kind == "SecureString"
    }
    url = f"https://{has['apis'][0]}.execute-api.us-east-1.amazonaws.com/api/"
    assert kept == SECRETS | {
        "JOB_QUEUE_DB_URL": deployed.settings["JOB_QUEUE_DB_URL"],
        "SAURON_PUBLIC_URL": url,
    }
    [queue] = [url for url in has["queues"] if url.endswith("-runs")]
    for name, one in has["functions"].items():
        variables = one["Environment"]["Variables"]
        assert variables.pop("SECRETS_REVISION")
        assert variables.pop("SAURON_SSM_PATH") == PATHS[name]
        assert variables == PLAIN | {
            "JOBS_DIR": JOBS_DIR,
            "SAURON_SQS_QUEUE_URL": queue,
        }


def test_what_is_deployed_can_be_imported_from_its_zip_and_layer_alone(
    deployed: Operator, tmp_path: Path
) -> None:
    client = deployed.aws.client("lambda")
    code = client.get_function(FunctionName="sauron-prod-work")["Code"]["Location"]
    layer = client.list_layer_versions(LayerName=PROD.layer)["LayerVersions"][0]
    content = client.get_layer_version(LayerName=PROD.layer, VersionNumber=layer["Version"])["Content"][
        "Location"
    ]
    assert code
    assert content
    assert layer["Version"] == 1
    packages = sorted((deployed.folder / "build/aws/prod/.chalice/deployments").glob("*.zip"))
    assert len(packages) == 2
    for file in packages:
        with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as opened:
            assert any(name.endswith(".pyc") for name in opened.namelist()), file.name
            opened.extractall(tmp_path / ("layer" if "layer" in file.name else "task"))
    assert list((tmp_path / "task").glob("__pycache__/app.*.pyc"))
    assert list((tmp_path / "layer").rglob("__pycache__/launcher.*.pyc"))
    path = [
        tmp_path / "task",
        *(tmp_path / "layer/python").glob("lib/*/site-packages"),
        tmp_path / "layer/python",
    ]
    run = "import sys; sys.path[:0] = sys.argv[1:]; import app; print(*app.app.handler_map)"
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", run, *map(str, path)],
        cwd=tmp_path,
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert {"tick", "sync", "upkeep", "work"} <= set(done.stdout.split()), done.stderr


def test_a_second_up_changes_nothing(deployed: Operator) -> None:
    before = state(deployed.aws)
    assert set(deployed.acts().values()) == {"keep"}
    said = deployed.up()
    assert said.code == 0
    assert "Nothing to change" in said.err
    assert "execute-api" in said.out
    assert state(deployed.aws) == before


def test_a_changed_secret_is_written_alone_and_the_functions_start_anew(deployed: Operator) -> None:
    acts = deployed.acts(JOBS_GIT_TOKEN="another-token-that-nobody-sees")
    changed = {what for what, act in acts.items() if act != "keep"}
    assert changed == {
        "secret JOBS_GIT_TOKEN",
        "functions, roles, rules and API (5 functions)",
        "functions' /tmp size and description",
        "a share for sauron-prod-tick, sauron-prod-upkeep",
        "at most 20 calls of the API a second, 40 in a burst",
    }
    gone = {
        what: act
        for what, act in deployed.acts("--forget", "JOBS_GIT_TOKEN", JOBS_GIT_TOKEN="").items()
        if "secret" in what
    }
    assert gone["secret JOBS_GIT_TOKEN"] == "remove"
    assert deployed.acts(JOBS_GIT_TOKEN="")["secret JOBS_GIT_TOKEN"] == "keep"


def test_a_changed_schedule_and_secret_reach_aws_from_a_checkout_that_has_forgotten_what_it_deployed(
    deployed: Operator,
) -> None:
    before = state(deployed.aws)
    app = deployed.folder / "app.py"
    text = app.read_text(encoding="utf-8")
    app.write_text(
        text.replace('Rate(1, unit=Rate.MINUTES), name="sync"', 'Rate(2, unit=Rate.MINUTES), name="sync"'),
        encoding="utf-8",
    )
    shutil.rmtree(deployed.folder / ".chalice/deployed")
    said = deployed.up(JOBS_GIT_TOKEN="another-token-that-nobody-sees")
    assert said.code == 0, said.err
    after = state(deployed.aws)
    assert after["rules"] == before["rules"] | {"sauron-prod-sync-event": "rate(2 minutes)"}
    assert after["apis"] == before["apis"]
    assert after["mappings"] == before["mappings"]
    assert after["limits"] == before["limits"]
    versions = {name.rpartition("/")[2]: version for name, (_, _, version) in after["parameters"].items()}
    assert versions == dict.fromkeys(versions, 1) | {"JOBS_GIT_TOKEN": 2}
    revisions = [
        one["functions"]["sauron-prod"]["Environment"]["Variables"]["SECRETS_REVISION"]
        for one in (before, after)
    ]
    assert revisions[0] != revisions[1]
    assert [(name, one["EphemeralStorage"]) for name, one in before["functions"].items()] == [
        (name, one["EphemeralStorage"]) for name, one in after["functions"].items()
    ]
    assert (
        after["functions"]["sauron-prod"]["Description"] != before["functions"]["sauron-prod"]["Description"]
    )


def test_down_says_what_it_removes_and_a_dry_run_removes_nothing(deployed: Operator) -> None:
    before = state(deployed.aws)
    said = deployed.sauron("down", "--dry-run")
    assert said.code == 0, said.err
    for what in ("queue sauron-prod-runs", "secrets ", "functions, roles", "log group ", "alarms ", "topic "):
        assert f"remove  {what}" in said.out, what
    assert "database" in said.err
    assert state(deployed.aws) == before


def test_down_removes_everything_but_the_database(deployed: Operator) -> None:
    said = deployed.sauron("down", "--yes")
    assert said.code == 0, said.out + said.err
    assert not any(state(deployed.aws).values()), state(deployed.aws)
    assert ask(deployed.settings["JOB_QUEUE_DB_URL"], "SELECT version_num FROM alembic_version") == [
        (schema.HEAD,)
    ]


def test_down_again_finds_nothing_to_do(deployed: Operator) -> None:
    said = deployed.sauron("down", "--yes")
    assert said.code == 0, said.err
    assert "nothing of stage prod" in said.err


def test_the_policy_of_the_docs_is_what_a_deployer_needs_and_no_more(deployed: Operator) -> None:
    assert deployed.judged.refused == []
    used = {call.action for call in deployed.judged.allowed}
    given = {action for one in deployed.judged.statements for action in aws_iam.listed(one["Action"])}
    assert given - used == AT_TIMES


def test_no_secret_was_said_or_handed_to_another_process(deployed: Operator) -> None:
    said = "\n".join(deployed.seen)
    assert "chalice" in said  # its processes were watched
    written = [
        file for file in deployed.folder.rglob("*") if file.is_file() and file.suffix in {".json", ".zip"}
    ]
    texts = [said, *(file.read_bytes().decode("latin-1") for file in written)]
    for secret in [*deployed.secrets, "another-token-that-nobody-sees"]:
        assert not [text for text in texts if secret in text], secret
