"""What a deployed function finds when it tries everything that it needs, from inside.

Each check asks the real thing: a process is started, a message is sent to the queue (a worker ignores it), a
mail to the mail simulator of SES. A check that breaks is a finding, never an end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from chalicelib import __version__, logs
from chalicelib.answers.doctor import Finding, findings_json
from chalicelib.answers.doctor.finding import well, wrong
from chalicelib.aws import ssm
from chalicelib.clock import iso
from chalicelib.model.liveness import is_stopped
from chalicelib.store import duties
from chalicelib.wiring import Sauron

from . import process_probe

ACT = "check"
TMP_LOW_MB = 200
CLOCK_SECONDS = 2.0
PROBE_SECONDS = 20.0
MEMORY_SHARE = 0.8
SENDERS = ("-upkeep", "-work")  # functions
SIMULATOR = "success@simulator.amazonses.com"
MESSAGE = json.dumps({ACT: True})
PATIENCE: dict[str, Any] = {"connect_timeout": 3, "read_timeout": 5, "retries": {"total_max_attempts": 2}}


def asked(detail: Mapping[str, Any] | None) -> bool:
    """Return whether an event asks a function to check itself."""
    return detail is not None and detail.get("act") == ACT


def asked_by(body: str) -> bool:
    """Return whether the body of a message asks `work` to check itself."""
    return body == MESSAGE


def report(sauron: Sauron) -> list[dict[str, Any]]:
    """Try everything, and return the findings as JSON: check, ok, found, fix."""
    return findings_json([_tried(name, check, sauron) for name, check in CHECKS.items()])


def _tried(name: str, check: Callable[[Sauron, str], Finding], sauron: Sauron) -> Finding:
    try:
        return check(sauron, name)
    except Exception as error:  # noqa: BLE001 - whatever breaks is what was asked for
        return wrong(name, sauron.settings.masked(logs.reason(error)), CURES[name])


def _process_control(_sauron: Sauron, name: str) -> Finding:
    libraries = os.environ.get("LD_LIBRARY_PATH")
    done = subprocess.run(
        [sys.executable, "-I", "-S", process_probe.__file__],
        env={"LD_LIBRARY_PATH": libraries} if libraries else {},
        capture_output=True,
        text=True,
        timeout=PROBE_SECONDS,
        check=False,
    )
    if done.returncode:
        return wrong(name, f"Python cannot be started: {done.stderr.strip()[-300:]}", CURES[name])
    refused = {call: why for call, why in json.loads(done.stdout).items() if why}
    if refused:
        return wrong(name, "; ".join(f"{call}: {why}" for call, why in refused.items()), CURES[name])
    return well(name, "processes can be started, followed and ended")


def _tmp(_sauron: Sauron, name: str) -> Finding:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 1024)
        file.flush()
    free = shutil.disk_usage(tempfile.gettempdir()).free // 1_000_000
    if free < TMP_LOW_MB:
        return wrong(name, f"{free} MB are free", CURES[name])
    return well(name, f"it can be written, {free} MB are free")


def _store(sauron: Sauron, name: str) -> Finding:
    with sauron.store.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        encrypted = None
        if not sauron.store.sqlite:
            asks = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            encrypted = connection.execute(asks).scalar()
    if encrypted is None:
        return well(name, "it answers")
    return well(name, f"it answers, {'encrypted' if encrypted else 'not encrypted'}, {ssl.OPENSSL_VERSION}")


def _clock(sauron: Sauron, name: str) -> Finding:
    apart = abs((sauron.clock.now() - datetime.now(UTC)).total_seconds())
    if apart > CLOCK_SECONDS:
        return wrong(name, f"the database and this function are {apart:.1f} s apart", CURES[name])
    return well(name, "database and function agree")


def _tick(sauron: Sauron, name: str) -> Finding:
    with sauron.store.read() as tx:
        done = duties.duty(tx, duties.TICK)
    if done is None:
        return wrong(name, "no tick has come yet", CURES[name])
    if is_stopped(sauron.clock.now() - done[0]):
        return wrong(name, f"the last one came at {iso(done[0])}", CURES[name])
    return well(name, f"the last one came at {iso(done[0])}")


def _secrets(sauron: Sauron, name: str) -> Finding:
    paths = sauron.settings.ssm_paths
    if not paths:
        return wrong(name, "SAURON_SSM_PATH is not set", CURES[name])
    return well(name, f"{len(ssm.read(paths))} can be read")


def _queue(sauron: Sauron, name: str) -> Finding:
    if not sauron.settings.sqs_queue_url:
        return wrong(name, "SAURON_SQS_QUEUE_URL is not set", CURES[name])
    _client("sqs").send_message(
        QueueUrl=sauron.settings.sqs_queue_url, MessageBody=json.dumps({"probe": True})
    )
    return well(name, "a message can be sent")


def _mail(sauron: Sauron, name: str) -> Finding:
    sender = sauron.settings.from_email
    if not sender:
        return well(name, "FROM_EMAIL is not set, so none is sent")
    if not (sauron.settings.function or "").endswith(SENDERS):
        return well(name, "this function sends none")
    _client("ses", region=sauron.settings.aws_ses_region).send_email(
        Source=sender,
        Destination={"ToAddresses": [SIMULATOR]},
        Message={
            "Subject": {"Data": "Sauron checks itself"},
            "Body": {"Text": {"Data": "It can send mail."}},
        },
    )
    return well(name, f"{sender} may send")


def _versions(_sauron: Sauron, name: str) -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    return well(name, f"Sauron {__version__}, Python {python}, {os.environ.get('AWS_REGION', 'no region')}")


def _memory(_sauron: Sauron, name: str) -> Finding:
    most = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0)
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    used = int(peak[1]) // 1024 if peak else 0
    if most and used > MEMORY_SHARE * most:
        return wrong(name, f"{used} of {most} MB are used without a job", CURES[name])
    return well(name, f"{used} of {most} MB are used" if most else f"{used} MB are used")


def _client(service: str, region: str | None = None) -> Any:
    import boto3
    from botocore.config import Config

    makes: Any = boto3.client
    return makes(service, region_name=region, config=Config(**PATIENCE))


CHECKS: dict[str, Callable[[Sauron, str], Finding]] = {
    "process control": _process_control,
    "disk": _tmp,
    "store": _store,
    "clock": _clock,
    "last tick": _tick,
    "secrets": _secrets,
    "queue": _queue,
    "mail": _mail,
    "versions": _versions,
    "memory": _memory,
}
CURES = {
    "process control": "run jobs that leave daemons in the container: here not all processes can be ended",
    "disk": "give the function more ephemeral storage, and jobs a cleaner /tmp",
    "store": "check JOB_QUEUE_DB_URL, SAURON_DB_CA, and that the functions' network reaches the database",
    "clock": "check the clock of the database's machine",
    "last tick": "wait two minutes after `up`; then see whether its rule is enabled, and its log group",
    "secrets": "run `sauron aws up` again: it sets the path and the permission",
    "queue": "run `sauron aws up` again: it makes the queue and the permission",
    "mail": "verify FROM_EMAIL in SES, in the region AWS_SES_REGION; then run `sauron aws up` again",
    "memory": "raise lambda_memory_size of the function in .chalice/config.json",
}
