"""Every example of docs/jobs.md is run as it stands, by the real launcher, and does what the page says."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sauron_jobs_loader import JobConfig
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, SHA, Runs, Told
from tests.http_receiver import Answer, receive
from tests.ssh_servers import serve_shell

pytestmark = pytest.mark.process

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(# (\S+)\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
JOBS = {name: text for text, name in BLOCKS if name != "manifest.py"}
MANIFESTS = [text for text, name in BLOCKS if name == "manifest.py"]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as launcher:
        yield Runs(launcher, tmp_path / "bundle", spawn=True)


def run(runs: Runs, name: str, fields: str = "", **request: Any) -> Told:
    """Run one example as a bundle's only job."""
    (runs.folder / "jobs").mkdir(parents=True, exist_ok=True)
    (runs.folder / f"jobs/{name}.py").write_text(JOBS[f"jobs/{name}.py"])
    (runs.folder / "manifest.py").write_text(
        f"from sauron_jobs_loader import JobConfig, job_registry\nfrom jobs import {name}\n"
        f"job_registry.register(JobConfig(id='job', cron='* * * * *', func={name}.run, {fields}))\n"
    )
    told = runs.run(**request)
    assert told.facts.result, told.output
    assert told.facts.result["ok"], told.output
    return told


def summary(told: Told) -> str:
    assert told.facts.result
    return str(told.facts.result["value"]["summary"])


def test_every_field_of_a_job_is_explained() -> None:
    table = PAGE.partition("## Fields of a job")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", table)) >= {field.name for field in fields(JobConfig)}


def test_every_python_block_names_its_file_and_has_a_test_here() -> None:
    assert PAGE.count("```python") == len(BLOCKS)
    shown = {Path(name).stem for name in JOBS}
    tested = set(re.findall(r'run\(\s*runs, "(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert shown == tested


@pytest.mark.parametrize("text", MANIFESTS)
def test_the_manifests_load(runs: Runs, text: str) -> None:
    (runs.folder / "jobs").mkdir(parents=True)
    for name, job in JOBS.items():
        (runs.folder / name).write_text(job)
    (runs.folder / "manifest.py").write_text(text)
    bundle = runs.launcher.boot(SHA, runs.folder, environ=ENVIRON)
    assert bundle.rejected == ()
    assert [job["id"] in text for job in bundle.jobs] == [True]


def test_a_job_says_what_it_did(runs: Runs) -> None:
    told = run(runs, "tidy")
    assert summary(told).endswith("files deleted")
    assert "files" in told.output


def test_params_have_defaults_and_are_given(runs: Runs) -> None:
    assert "exporting 100 rows of orders" in run(runs, "export", "params=export.Params").output
    assert "exporting 5 rows of users" in runs.run(params={"table": "users", "rows": 5}).output


def test_a_secret_is_required(runs: Runs) -> None:
    assert (
        "a token of 9 letters"
        in run(runs, "crm", "secrets=['CRM_TOKEN']", secrets={"CRM_TOKEN": "made-up-1"}).output
    )


def test_state_tells_when_a_count_rose(runs: Runs) -> None:
    log = runs.folder / "auth.log"
    runs.folder.mkdir()
    log.write_text("Failed password\n")
    assert "more failed logins than last time: 1" in run(runs, "failed_logins").output
    assert "more" not in runs.run().output
    log.write_text("Failed password\n" * 3)
    assert "more failed logins than last time: 3" in runs.run().output


def test_progress_is_told(runs: Runs) -> None:
    assert run(runs, "resize").progress[-1] == (1.0, "all resized")


def test_a_digest_is_mailed(runs: Runs) -> None:
    import boto3
    from moto.server import ThreadedMotoServer
    from moto.ses.models import ses_backends

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("ses", region_name="us-east-1", endpoint_url=url, **keys)  # type: ignore[call-overload]
        client.verify_email_identity(EmailAddress="sauron@example.com")
        client.close()
        secrets = {
            "AWS_SES_ACCESS_KEY_ID": "test",
            "AWS_SES_SECRET_ACCESS_KEY": "test",
            "FROM_EMAIL": "sauron@example.com",
            "DIGEST_EMAIL": "a@example.com, b@example.com",
        }
        told = run(
            runs, "digest", f"secrets={list(secrets)}", secrets=secrets, environ={"AWS_ENDPOINT_URL": url}
        )
    finally:
        server.stop()
    assert told.facts.result
    assert told.facts.result["value"]["status"] == "success", told.output
    sent = ses_backends["123456789012"]["us-east-1"].sent_messages[-1]
    assert sent.destinations["ToAddresses"] == ["a@example.com", "b@example.com"]


def test_a_machine_is_asked_by_ssh(runs: Runs, tmp_path: Path) -> None:
    with serve_shell(tmp_path / "ssh") as server:
        environ = {"SSH_PRIVATE_KEY_B64": server.key_b64, "SAURON_SSH_KNOWN_HOSTS": server.known_hosts}
        told = run(runs, "disk", params={"host": "127.0.0.1", "port": server.port}, environ=environ)
    assert re.fullmatch(r"\d+% used", summary(told))


def test_a_service_is_asked_by_http(runs: Runs) -> None:
    with receive(Answer(503, headers={"Retry-After": "0"}), Answer(200, "[1, 2]")) as shop:
        told = run(runs, "orders", secrets={"SHOP_TOKEN": "made-up"}, environ={"SHOP_URL": shop.url})
        assert summary(told) == "2 open orders"
        assert shop.asked[-1].path == "/orders?state=open"
        assert shop.asked[-1].headers["Authorization"] == "Bearer made-up"
        assert shop.asked[-1].headers["User-Agent"].endswith("(job)")


def test_a_command_is_run(runs: Runs) -> None:
    told = run(runs, "backup", environ={"PATH": os.environ["PATH"]})
    assert summary(told) == "1024 rows"
    assert "dumping\n1024 rows\n" in told.output
