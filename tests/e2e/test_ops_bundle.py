"""A bundle of ops jobs against real parts: ssh through a bastion, SES, a webhook, Life Hub, pip."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote_plus

import asyncssh
import httpx
import pytest

from tests.e2e.outside import Repository, Serve, Served, command, environ_of, wait_for, wheel
from tests.life_hub import Server, ask

OPS = Path(__file__).parents[1] / "bundles" / "ops"
TOKEN = "s3cr3t/Of the+ops&team=42"
FORMS = (
    TOKEN,
    base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    quote_plus(TOKEN),
    json.dumps(TOKEN)[1:-1],
    base64.b64encode(f"user:{TOKEN}:more".encode()).decode()[8:-8],
)
WEBHOOK_KEY = b"0123456789abcdef0123456789abcdef"
DAY = 86400


# -- real parts ----------------------------------------------------------------------------------


@dataclass
class Heard:
    """What a receiver was sent."""

    url: str
    posts: list[dict[str, Any]] = field(default_factory=list)
    pings: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def of(self, type_: str, job_id: str) -> list[dict[str, Any]]:
        return [post for post in self.posts if post["type"] == type_ and post["data"].get("job_id") == job_id]


@pytest.fixture
def receiver() -> Iterator[Heard]:
    """An outside world of one HTTP server: it takes webhooks, whose signature it checks, and pings."""

    class Handler(BaseHTTPRequestHandler):
        heard: ClassVar[Heard]

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
            right = "v1," + base64.b64encode(hmac.new(WEBHOOK_KEY, signed, hashlib.sha256).digest()).decode()
            good = hmac.compare_digest(right, self.headers["webhook-signature"] or "")
            if good:
                self.heard.raw.append(body)
                self.heard.posts.append(json.loads(body))
            self.send_response(204 if good else 401)
            self.end_headers()

        def do_GET(self) -> None:
            self.heard.pings.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket.settimeout(1)  # a client that has gone before it is accepted holds up nothing
    Handler.heard = Heard(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Handler.heard
    server.shutdown()
    server.server_close()


@dataclass
class Mailbox:
    """Amazon SES, as moto's server keeps it."""

    url: str

    def mails(self) -> list[dict[str, Any]]:
        from moto.ses.models import ses_backends

        # moto's one account
        return [vars(mail) for mail in ses_backends["123456789012"]["us-east-1"].sent_messages]

    def subjects(self) -> list[str]:
        return [mail["subject"] for mail in self.mails()]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx.post(f"{url}/moto-api/reset", timeout=30, trust_env=False)
    ses = boto3.client(
        "ses",
        "us-east-1",
        endpoint_url=url,
        aws_access_key_id="id-of-ses",
        aws_secret_access_key="key-of-ses",
    )
    ses.verify_email_identity(EmailAddress="sauron@example.test")
    ses.close()
    yield Mailbox(url)
    server.stop()


@dataclass
class Machines:
    """A bastion and a backup host behind it."""

    bastion_port: int
    host_port: int
    key: str
    known_hosts: str


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Two real ssh servers: the backup host runs what it is told, the bastion only passes connections on."""
    user_key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    allowed = asyncssh.import_authorized_keys(user_key.export_public_key().decode())

    class Bastion(asyncssh.SSHServer):
        def connection_requested(self, _host: str, _port: int, _from: str, _from_port: int) -> bool:
            return True

    async def on_command(process: asyncssh.SSHServerProcess[bytes]) -> None:
        ran = await asyncio.create_subprocess_exec(
            "sh", "-c", str(process.command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await ran.communicate()
        process.stdout.write(out)
        process.stderr.write(err)
        process.exit(ran.returncode or 0)

    ports: list[int] = []
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def main() -> None:
        keys = {"server_host_keys": [host_key], "authorized_client_keys": allowed}
        host = await asyncssh.listen("127.0.0.1", 0, process_factory=on_command, encoding=None, **keys)
        bastion = await asyncssh.listen("127.0.0.1", 0, server_factory=Bastion, **keys)
        ports.extend([bastion.get_port(), host.get_port()])
        ready.set()
        await stop.wait()
        for server in (bastion, host):
            server.close()
            await server.wait_closed()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    public = host_key.export_public_key().decode().strip()
    lines = "\n".join(f"[127.0.0.1]:{port} {public}" for port in ports)
    yield Machines(ports[0], ports[1], base64.b64encode(user_key.export_private_key()).decode(), lines)
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


@pytest.fixture
def life_hub(tmp_path: Path) -> Iterator[str]:
    server = Server()
    made = command(
        tmp_path / "home", "migrate", "--life-hub", DATABASE_URL=server.url().replace("+psycopg", "")
    )
    assert "ops.runs: made" in made.out
    yield server.url()
    server.close()


# -- the bundle runs -----------------------------------------------------------------------------


@pytest.fixture
def ops(
    serve: Serve,
    repository: Repository,
    tmp_path: Path,
    machines: Machines,
    mailbox: Mailbox,
    receiver: Heard,
    life_hub: str,
) -> Served:
    """Sauron with the ops bundle and all its peers."""
    shutil.copytree(OPS, repository.folder, ignore=shutil.ignore_patterns("__pycache__"))
    wheel(
        repository.folder / "wheels",
        "opsnames",
        "1.2",
        "def greeting(who):\n    return f'good morning, {who}'\n",
    )
    backup = {
        "host": "127.0.0.1",
        "port": machines.host_port,
        "user": "ops",
        "bastion": f"ops@127.0.0.1:{machines.bastion_port}",
        "file": str(tmp_path / "latest backup"),
    }
    (tmp_path / "latest backup").touch()
    (tmp_path / "uploads").mkdir()
    repository.commit(
        {"places.json": json.dumps({"backup": backup, "status_url": "http://127.0.0.1:1/status"})}
    )
    environ = {
        "SSH_PRIVATE_KEY_B64": machines.key,
        "SAURON_SSH_KNOWN_HOSTS": machines.known_hosts,
        "AWS_ENDPOINT_URL": mailbox.url,
        "AWS_SES_ACCESS_KEY_ID": "id-of-ses",
        "AWS_SES_SECRET_ACCESS_KEY": "key-of-ses",
        "FROM_EMAIL": "sauron@example.test",
        "ALERT_EMAIL": "oncall@example.test",
        "NOTIFY_EMAIL": "team@example.test",
        "DIGEST_EMAIL": "team@example.test",
        "SAURON_ALERT_WEBHOOK_URL": f"{receiver.url}/hook",
        "SAURON_ALERT_WEBHOOK_SECRET": "whsec_" + base64.b64encode(WEBHOOK_KEY).decode(),
        "SAURON_HEARTBEAT_URL": f"{receiver.url}/ping",
        "DATABASE_URL": life_hub.replace("+psycopg", ""),
        "OPS_TOKEN": TOKEN,
    }
    return serve(**environ).until_ready()


def synced(served: Served) -> Served:
    """Wait for the first revision; its requirements are installed before it becomes active."""
    active = lambda: served.http.get("/status").json()["git_sync_status"]["current_sha"]  # noqa: E731 - a fact to wait for
    wait_for(active, what="the bundle is active", seconds=100)
    return served


def test_a_bundle_of_real_ops_jobs_does_its_work(
    ops: Served,
    serve: Serve,
    tmp_path: Path,
    repository: Repository,
    mailbox: Mailbox,
    receiver: Heard,
    life_hub: str,
) -> None:
    served = synced(ops)

    # its own requirements
    report = served.ended(served.trigger("report"))
    assert (report["state"], report["result"]["summary"]) == ("succeeded", "good morning, the ops team")

    # the backup is fresh, turns stale, stays stale, is fresh again: two mails
    latest = tmp_path / "latest backup"
    seen = []
    for age in (0, 3 * DAY, 3 * DAY, 0, 0):
        os.utime(latest, (time.time() - age,) * 2)
        run = served.ended(served.trigger("backup-freshness"))
        seen.append((run["state"], run["result"]["mailed"]))
    assert seen == [
        ("succeeded", False),
        ("degraded", True),
        ("degraded", False),
        ("succeeded", True),
        ("succeeded", False),
    ]
    assert [subject for subject in mailbox.subjects() if "ackup" in subject] == [
        "WARNING (SAURON): Backup is stale",
        "WARNING (SAURON): Backup is fresh again",
    ]

    # the disk job mails only when the count rose; what it knows outlives the runner
    uploads = tmp_path / "uploads"
    rose = []
    for names in (["a"], ["a", "b"], ["b"], ["b", "c"]):
        for file in uploads.iterdir():
            file.unlink()
        for name in names:
            (uploads / f"{name}.part").touch()
        run = served.ended(served.trigger("disk-health", params={"folder": str(uploads)}))
        rose.append(run["result"]["mailed"])
    assert rose[1:] == [True, False, True]

    # a digest of its own
    places = json.loads((repository.folder / "places.json").read_text())
    repository.commit({"places.json": json.dumps(places | {"status_url": f"{served.url}/status"})})
    assert served.http.post("/sync").json()["success"]
    assert served.ended(served.trigger("morning-digest"))["state"] == "succeeded"
    assert "SAURON DIGEST: What is due" in mailbox.subjects()

    # a long job says how far it is
    go = tmp_path / "go"
    run_id = served.trigger("long-copy", params={"go": str(go)})
    wait_for(lambda: (served.run(run_id)["progress"] or 0) >= 0.5, what="half of it is done")
    go.touch()
    assert served.ended(run_id)["result"]["summary"] == "checksum is right"
    assert "checksum is right" in served.log(run_id)

    # the builtin jobs
    for job_id in ("sauron.health", "sauron.retention", "sauron.backup", "sauron.digest"):
        run = served.ended(served.trigger(job_id))
        assert run["state"] == "succeeded", (job_id, run["error"], served.log(run["id"]))
    assert any(subject.startswith("SAURON DIGEST: ") and "runs" in subject for subject in mailbox.subjects())
    [copy] = (served.folder / ".sauron" / "backups").iterdir()
    with sqlite3.connect(copy) as copied:
        assert copied.execute("SELECT count(*) FROM job_queue WHERE state = 'succeeded'").fetchone()[0] > 5
    copied.close()

    # Life Hub has every attempt once, and the definitions
    def everything_is_copied() -> bool:
        runs = [
            run["id"]
            for run in served.http.get("/runs?limit=200&state=succeeded,degraded,failed").json()["runs"]
        ]
        there = [row[0] for row in ask(life_hub, "SELECT metadata->>'run_id' FROM ops.runs")]
        return sorted(runs) == sorted(there)

    wait_for(everything_is_copied, what="every run is in ops.runs, once")
    rows = dict(ask(life_hub, "SELECT job_id, enabled FROM ops.jobs"))
    assert rows.keys() >= {"backup-freshness", "disk-health", "report", "sauron.digest"}
    assert served.http.get("/status").json()["outbox"]["waiting"] == 0

    # all is fresh when it starts again, so the dead-man's switch is pinged at once
    served.stop()
    receiver.pings.clear()
    serve(**{name: value for name, value in served.environ.items() if name not in environ_of()}).until_ready()
    assert wait_for(lambda: receiver.pings, what="a ping", seconds=30)[0] == "/ping"


def test_a_secret_that_a_job_leaks_is_found_nowhere(
    ops: Served, tmp_path: Path, mailbox: Mailbox, receiver: Heard, life_hub: str
) -> None:
    served = synced(ops)
    answers = []
    for number, returns in enumerate((False, True)):
        go = tmp_path / f"go{number}"
        run_id = served.trigger("leak", params={"go": str(go), "returns": returns})
        wait_for(lambda: served.run(run_id)["progress"], what="the job leaks")  # noqa: B023 - waited for here
        assert not leaking(command_lines())
        go.touch()
        run = served.ended(run_id)
        assert run["state"] == "failed"
        assert "***" in run["error"]
        log = served.log(run_id)
        assert all(
            f"{line} ***" in log or f"{line} " in log for line in ("plain", "base64", "split", "logged")
        )
        assert "split *** over writes" in log
        assert "state refused it" in log
        answers += [json.dumps(run), log, served.http.get("/status").text, served.http.get("/runs").text]
        answers += [served.http.get(f"/ui/runs/{run_id}").text, served.http.get("/jobs/leak").text]
    wait_for(lambda: receiver.of("job.failing", "leak"), what="people were told")
    wait_for(
        lambda: [one for one in mailbox.subjects() if "leak" in one and "of ***" not in one],
        what="an alert by mail",
    )
    wait_for(
        lambda: len(ask(life_hub, "SELECT 1 FROM ops.runs WHERE job_id = 'leak'")) == 2,
        what="Life Hub has both runs",
    )
    assert any("leak of ***" in subject for subject in mailbox.subjects())
    served.stop()
    files = [
        file.read_bytes().decode("latin-1")
        for file in served.folder.rglob("*")
        if file.is_file() and file.suffix != ".env"
    ]
    tables = [
        repr(ask(life_hub, f"SELECT * FROM ops.{table}"))  # noqa: S608 - our own names
        for table in ("runs", "jobs", "job_definitions")
    ]
    for what, texts in {
        "answers": answers,
        "files and logs of Sauron": files,
        "mails": [repr(mail) for mail in mailbox.mails()],
        "webhooks": [body.decode() for body in receiver.raw],
        "ops": tables,
    }.items():
        assert not leaking(texts), what
        assert texts, what


def test_a_job_that_fails_is_told_once_and_that_it_was_disabled(
    ops: Served, tmp_path: Path, receiver: Heard
) -> None:
    served = synced(ops)
    (tmp_path / "latest backup").unlink()
    for _ in range(2):
        run_id = served.trigger("backup-freshness")
        wait_for(lambda: served.run(run_id)["error"], what="its first attempt failed")  # noqa: B023 - waited for here
        served.http.post(f"/runs/{run_id}/cancel")
    # an attempt that is tried again is no failure yet
    assert receiver.of("job.failing", "backup-freshness") == []
    go = tmp_path / "never"
    for _ in range(2):
        run_id = served.trigger("leak", params={"go": str(go)})
        go.touch()
        served.ended(run_id)
    [told] = wait_for(lambda: receiver.of("job.failing", "leak"), what="it was told")
    assert told["data"]["run_id"]
    assert "raised with ***" in told["data"]["reason"]
    assert "plain ***" in told["data"]["log_tail"]
    assert "/ui/runs/" in told["data"]["link"]
    assert served.http.get("/alerts").json()["open"]
    assert served.http.post("/jobs/leak/disable").status_code == 200
    wait_for(lambda: not served.http.get("/alerts").json()["open"], what="nothing is open for a disabled job")
    [over] = wait_for(lambda: receiver.of("job.recovered", "leak"), what="its end was told")
    assert over["data"]["ended_by"] == "disabled"
    tested = served.http.post("/alerts/test").json()
    assert {one["channel"]: one["ok"] for one in tested["channels"]} == {"mail": True, "webhook": True}


def leaking(texts: list[str]) -> list[str]:
    """Return the texts that hold the token in any form."""
    return [text[:200] for text in texts if any(form in text for form in FORMS)]


def command_lines() -> list[str]:
    """The arguments of every process there is."""
    lines = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                lines.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1"))
            except OSError:
                continue
    return lines
