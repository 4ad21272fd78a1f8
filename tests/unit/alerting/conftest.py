"""What tests of alerts share: a world in which jobs end, a receiver of webhooks, Amazon SES."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import insert

from chalicelib.alerting.delivery import Delivery
from chalicelib.alerting.incidents import review
from chalicelib.model.runs import Origin, Outcome, Run, RunState, Verdict, new_run_id
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts, bundle, duties, log_chunks, schema
from chalicelib.store import incidents as table
from chalicelib.store.queue import claims, finish
from sauron_jobs_loader.toolkit.ses import Mailer
from tests.conftest import ManualClock

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
MAIL = {
    "ALERT_EMAIL": "ops@x.test",
    "FROM_EMAIL": "sauron@x.test",
    "AWS_SES_ACCESS_KEY_ID": "AKIAEXAMPLE00000",
    "AWS_SES_SECRET_ACCESS_KEY": "verysecretverysecret",
}
YEARLY = "0 0 1 1 *"
BAD = Verdict(Outcome.FAILED, "no route to host", "OSError")
SLOW = Verdict(Outcome.TIMED_OUT, "timed out after 300 s", "timeout")
GOOD = Verdict(Outcome.SUCCEEDED)
ENVIRON = {
    "SAURON_ALERT_WEBHOOK_URL": "https://hooks.test/services/hidden",
    "JOBS_GIT_REPO_URL": "https://git.test/jobs.git",
    "SAURON_PUBLIC_URL": "https://sauron.test/",
}


class Receiver:
    """A webhook's other end. `answer` chooses the status for a body; `headers` go with a refusal."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.accepted: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[dict[str, Any]], int] = lambda _body: 204
        self.headers: dict[str, str] = {"Location": "/elsewhere"}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                one = ({name.lower(): value for name, value in self.headers.items()}, body)
                status = outer.answer(json.loads(body))
                outer.got.append(one)
                if status < HTTPStatus.MULTIPLE_CHOICES:
                    outer.accepted.append(one)
                self.send_response(status)
                for name, value in outer.headers.items() if status >= HTTPStatus.MULTIPLE_CHOICES else ():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket.settimeout(1)  # a client that has gone before it is accepted holds up nothing
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/hiddenpath"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    @property
    def titles(self) -> list[str]:
        return [json.loads(body)["data"]["title"] for _, body in self.got]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class Ses:
    """Amazon SES, as moto's server keeps it. `goes_down` leads to an address where nobody listens."""

    def __init__(self, url: str) -> None:
        from moto.ses.models import ses_backends

        self._backend = ses_backends["123456789012"]["us-east-1"]
        self._reached, self._unreachable = _mailer(url), _mailer("http://127.0.0.1:9", timeout_seconds=0.2)
        self.comes_back()

    def forget(self) -> None:
        """Forget what was sent, know the sender (another test may have emptied all of moto), and be there."""
        self._backend.sent_messages.clear()
        self._backend.verify_email_identity("sauron@x.test")
        self.comes_back()

    def goes_down(self) -> None:
        self._mailer = self._unreachable

    def comes_back(self) -> None:
        self._mailer = self._reached

    @property
    def subjects(self) -> list[str]:
        return [message.subject for message in self._sent]

    @property
    def bodies(self) -> list[str]:
        return [message.body for message in self._sent]

    @property
    def _sent(self) -> list[Any]:
        return list(self._backend.sent_messages)

    def mailer(self) -> Mailer:
        return self._mailer


def _mailer(url: str, *, timeout_seconds: float = 5) -> Mailer:
    keys = {"access_key": "k", "secret_key": "s"}
    sender = "sauron@x.test"
    return Mailer(
        region="us-east-1", **keys, sender=sender, endpoint_url=url, timeout_seconds=timeout_seconds
    )


@pytest.fixture(scope="session")
def ses_server() -> Iterator[Ses]:
    """One for all tests of a process: it, and a client of it, take longer to make than any of them."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Ses(f"http://{host}:{port}")
    server.stop()


@pytest.fixture
def ses(ses_server: Ses) -> Ses:
    ses_server.forget()
    return ses_server


class Choosy:
    """SES that refuses mails about some word for good, or all of them."""

    def __init__(self, refuses: str) -> None:
        self.refuses = refuses
        self.subjects: list[str] = []
        self.bodies: list[str] = []
        self.tries = 0

    def send(self, _to: Any, subject: str, text: str, _html: str | None = None, *, reply_to: Any = ()) -> str:  # noqa: ARG002 - SES's signature
        self.tries += 1
        if self.refuses in text:
            raise RefusedError
        self.subjects.append(subject)
        self.bodies.append(text)
        return "1"


class RefusedError(Exception):
    temporary = False


def no_mail() -> Any:
    raise AssertionError


def owe(
    store: Store, clock: ManualClock, title: str, *channels: str, type_: str = "job.failing", **more: Any
) -> None:
    data = {"title": title, "reason": "no route", "job_id": "j", "since": "x", "log_tail": "the end"}
    data |= {"link": "http://sauron.test/", **more}
    with store.write() as tx:
        alerts.put(tx, channels or ("webhook",), type_, data, now=clock.now())


def hooked(store: Store, clock: ManualClock, receiver: Receiver, **environ: str) -> Delivery:
    settings = Settings.read(
        {"SAURON_ALERT_WEBHOOK_URL": receiver.url, "SAURON_ALERT_WEBHOOK_SECRET": SECRET, **environ}
    )
    return Delivery(store, clock, settings, mailer=no_mail)


def mailing(store: Store, clock: ManualClock, ses: Ses) -> Delivery:
    return Delivery(store, clock, Settings.read(MAIL), mailer=ses.mailer)


class World:
    """A store, a clock, and what people were told so far."""

    def __init__(self, store: Store, clock: ManualClock, **environ: str) -> None:
        self.store = store
        self.clock = clock
        self.settings = Settings.read(ENVIRON | environ)
        self.seen: set[str] = set()

    def end(self, job_id: str, verdict: Verdict, *, wrote: str = "", retry: bool = False) -> Run:
        """Let a run of a job end now."""
        Operations(self.store, self.clock).trigger(job_id, TriggerRequest(force=True))
        self.clock.move(seconds=1)
        with self.store.write() as tx:
            run = claims.claim(tx, owner="me", now=self.clock.now()).run
            assert run
            log_chunks.append(tx, run.id, run.attempt, [wrote] if wrote else [], now=self.clock.now())
            retry_at = self.clock.now() + timedelta(minutes=1) if retry else None
            assert finish.finish(tx, run, verdict, owner="me", now=self.clock.now(), retry_at=retry_at)
        return run

    def put(self, job_id: str, state: RunState = RunState.QUEUED, **columns: Any) -> str:
        """Put an occurrence's row into the queue as it is."""
        now = self.clock.now()
        run_id = new_run_id()
        row = {
            "id": run_id,
            "job_id": job_id,
            "state": state,
            "origin": Origin.SCHEDULE,
            "fire_at": now,
            "due_at": now,
            "max_attempts": 3,
            "created_at": now,
            "finished_at": None if state in {RunState.QUEUED, RunState.RUNNING} else now,
        }
        with self.store.write() as tx:
            tx.execute(insert(schema.job_queue), row | columns)
        return run_id

    def ticked(self) -> None:
        with self.store.write() as tx:
            duties.ticked(tx, at=self.clock.now())

    def look(self, *jobs: str, free: int | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Make a pass and return what people are told anew, as (type, data)."""
        review(
            self.store,
            self.clock,
            self.settings,
            jobs=jobs or None,
            free_bytes=None if free is None else lambda: free,
        )
        with self.store.read() as tx:
            rows = tx.execute(schema.alerts.select().order_by(schema.alerts.c.id)).all()
        new = [row for row in rows if row.id not in self.seen]
        self.seen.update(row.id for row in new)
        return [(row.type, row.data) for row in sorted(new, key=lambda row: row.data["subject"])]

    def types(self, *jobs: str, free: int | None = None) -> list[str]:
        return [type_ for type_, _ in self.look(*jobs, free=free)]

    def open(self) -> list[tuple[str, str]]:
        with self.store.read() as tx:
            return [(one.subject, one.kind) for one in table.open_incidents(tx)]

    def bundle(self, **columns: Any) -> None:
        with self.store.write() as tx:
            bundle.change(tx, **columns)

    def rejects(self, *definitions: dict[str, Any]) -> None:
        """Let the active revision leave these definitions out."""
        sha, now = "b" * 40, self.clock.now()
        with self.store.write() as tx:
            bundle.add_revision(tx, sha, [], definitions, subject=None, author=None, now=now)
            bundle.change(tx, active_sha=sha)


@pytest.fixture
def world(store: Store, clock: ManualClock) -> World:
    return World(store, clock)


def gap(world: World, minutes: int = 0, reason: str = "3 occurrences passed") -> str:
    end = world.clock.now() - timedelta(minutes=minutes)
    begin = end - timedelta(hours=2)
    return world.put(
        "j", RunState.MISSED, gap_from=begin, fire_at=end, due_at=end, gap_count=3, reason=reason
    )
