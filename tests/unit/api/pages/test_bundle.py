from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib import wiring
from chalicelib.api.assistant.calls import call
from chalicelib.api.auth import Caller
from chalicelib.clock import iso
from chalicelib.settings import Settings
from chalicelib.store import bundle
from chalicelib.wiring import COMMAND_LINE, Sauron
from chalicelib.wiring import build as build_sauron
from tests.conftest import START, ManualClock, job_record
from tests.git_servers import BundleRepository
from tests.unit.api.client import Answer, Client
from tests.unit.api.conftest import Build

IMPORTS = "from sauron_jobs_loader import JobConfig, job_registry\n"
DAILY = "0 8 * * *"
URL = "https://git.test/jobs.git"


def activate(sauron: Sauron, number: int, jobs: list[dict[str, Any]], **more: Any) -> str:
    """Make a revision with these jobs the active one, as far as the page can see."""
    sha, now = f"{number:07x}{'0' * 33}", sauron.clock.now()
    with sauron.store.write() as tx:
        bundle.add_revision(
            tx,
            sha,
            jobs,
            more.pop("rejected", []),
            subject=f"Change {number}",
            author="Ann",
            authored_at=now - timedelta(hours=5),
            now=now,
        )
        bundle.mark_activated(tx, sha, now=now)
        bundle.change(tx, active_sha=sha, last_sync=now, tried_at=now, branch="main", **more)
    return sha


def send(client: Client, path: str, **fields: str) -> Answer:
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    return client.ask("POST", path, urlencode(fields).encode(), kind)


def test_each_revision_says_what_it_changed_in_the_schedule(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(JOBS_GIT_REPO_URL=URL)
    activate(sauron, 0xA, [job_record("probe", "*/10 * * * *"), job_record("prune", DAILY)])
    clock.move(hours=72)
    refusal = {"job_id": "geo", "place": "manifest.py:61", "reason": "hour 25 is not between 0 and 23."}
    activate(sauron, 0xB, [job_record("probe", "*/5 * * * *"), job_record("copy", DAILY)], rejected=[refusal])
    page = client.get("/ui/bundle").body
    assert "<title>In force: 000000b, 1 rejected" in page
    for said in (
        "Change 10",
        f'<small>Ann, committed <time datetime="{iso(START - timedelta(hours=5))[:16]}',
        "every 10 minutes \u2192 every 5 minutes; +144 runs a day",
        "rejected: hour 25",
        "manifest.py:61: hour 25 is not between 0 and 23.",
        "2 jobs; what was before is not kept",
        "for 3 d",
    ):
        assert said in page, said
    assert re.search(r'>\+<span class="hidden"> added</span></span> <span>copy<', page)
    assert re.search(r">\u2212<span class=\"hidden\"> removed</span></span> <span>prune<", page)
    assert page.count("Preview rollback") == 1  # not of the one in force


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("held", "A revision waits to be confirmed."),
        ("load", "The newest revision does not load."),
        ("fetch", "The bundle cannot be fetched."),
    ],
)
def test_a_failing_sync_says_what_is_wrong_since_when_and_what_stays(
    build: Build, client: Client, clock: ManualClock, fault: str, said: str
) -> None:
    since = clock.now() - timedelta(hours=2)
    more = {"last_error": "it would remove 3 of 4 jobs", "fault": fault, "fault_count": 4}
    activate(build(JOBS_GIT_REPO_URL=URL), 1, [job_record("a", DAILY)], failing_since=since, **more)
    page = client.get("/ui/bundle").body
    assert said in page
    assert "it would remove 3 of 4 jobs" in page
    assert "4 tries. 0000001 stays in force." in re.sub(r"\s+", " ", page)
    assert "10:00</time>" in page
    lead = re.sub(r"<[^>]+>", "", page.partition('class="lead">')[2].partition("</p>")[0])
    assert lead.startswith(f"Sauron follows branch main of {URL}, and 0000001 from before is in force.")


def test_without_a_bundle_the_page_says_what_to_do(build: Build, client: Client) -> None:
    build()
    page = client.get("/ui/bundle").body
    assert "sauron init my-jobs" in page
    assert "/ui/sync" not in page
    answer = client.get("/ui/bundle?ref=main")
    assert answer.status == 409


def test_going_back_shows_its_plan_and_asks(build: Build, client: Client, clock: ManualClock) -> None:
    sauron = build(JOBS_GIT_REPO_URL=URL)
    old = activate(sauron, 0xA, [job_record("probe", DAILY)])
    clock.move(hours=1)
    activate(sauron, 0xB, [job_record("copy", DAILY)])
    for asked in (client.get(f"/ui/rollback?sha={old}"), send(client, "/ui/rollback", sha=old[:7])):
        assert asked.status == 200
        assert "Go back to 000000a?" in asked.body
        assert re.search(r'added</td><th scope="row">probe</th>', asked.body)
        assert "+14" in asked.body  # a run a day, in 14 days
        assert f'name="sha" value="{old}"' in asked.body
    assert client.get("/audit-log").json["entries"] == []


@pytest.mark.parametrize(
    ("sha", "status", "said"),
    [("main", 422, "commit id"), ("", 422, "commit id"), ("abcdef1", 404, "abcdef1")],
)
def test_a_revision_that_is_not_there_is_a_page_that_says_so(
    sauron: Sauron, client: Client, sha: str, status: int, said: str
) -> None:
    for answer in (
        client.get(f"/ui/rollback?sha={sha}", Accept="text/html"),
        send(client, "/ui/rollback", sha=sha, confirm="yes"),
    ):
        assert answer.status == status
        assert said in answer.body


@pytest.mark.slow
def test_many_revisions_of_a_thousand_jobs_are_paged_and_cheap(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(JOBS_GIT_REPO_URL=URL)
    for number in range(1, 26):
        clock.move(hours=1)
        activate(
            sauron, number, [job_record(f"job-{one:04}", DAILY, max_attempts=number) for one in range(1000)]
        )
    page = client.get("/ui/bundle").body
    assert len(page) < 100_000
    assert "and 988 more" in page
    began = time.process_time()
    client.get("/ui/bundle")
    assert time.process_time() - began < 0.1
    shas = re.findall(r"sha=(0[0-9a-f]{6})", page)
    following = re.search(r'rel="next" href="([^"#]+)', page)
    while following:
        page = client.get(f"/ui/bundle{following[1]}").body
        shas += re.findall(r"sha=(0[0-9a-f]{6})", page)
        following = re.search(r'rel="next" href="([^"#]+)', page)
    assert [int(sha, 16) for sha in shas] == list(range(24, 0, -1))
    assert client.get("/ui/bundle?after=nobody").status == 400


@pytest.fixture
def repository(tmp_path: Path, clock: ManualClock) -> Iterator[BundleRepository]:
    """A bundle of four jobs, followed by a Sauron that syncs it itself."""
    made = BundleRepository.create(tmp_path / "bundle")
    made.commit({"manifest.py": manifest("a", "b", "c", "d")}, "four jobs")
    known = {"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3", "JOBS_DIR": f"{tmp_path}/jobs"}
    known["JOBS_GIT_REPO_URL"] = str(made.path)
    sauron = build_sauron(Settings.read(known), clock=clock, runtime=COMMAND_LINE)
    wiring.PROCESS.set(sauron)
    yield made
    wiring.PROCESS.set(None)
    sauron.close()


def manifest(*ids: str) -> str:
    lines = (
        f"job_registry.register(JobConfig(id={one!r}, cron='0 8 * * *', command=['true']))" for one in ids
    )
    return IMPORTS + "\n".join(lines)


def names(client: Client) -> list[str]:
    return [one["id"] for one in client.get("/jobs").json["jobs"] if "builtin" not in one["tags"]]


@pytest.mark.process
def test_a_bundle_is_planned_synced_confirmed_and_rolled_back_by_its_page(
    repository: BundleRepository, client: Client, clock: ManualClock
) -> None:
    assert send(client, "/ui/sync").headers["location"] == "/ui/bundle?did=synced"
    first = repository.git("rev-parse", "HEAD")
    assert {"a", "b", "c", "d"} <= set(names(client))
    clock.move(hours=1)
    repository.commit({"manifest.py": manifest("a")}, "one job")

    planned = client.get("/ui/bundle?ref=main").body
    assert "3 jobs, nothing is activated" in planned
    assert "so a sync holds it" in planned
    missing = client.get("/ui/bundle?ref=nobody")
    assert (missing.status, 'class="wrong" id="ref-wrong"' in missing.body) == (422, True)

    asked = send(client, "/ui/sync", reason="fewer")
    assert asked.status == 200
    assert "Accept the removals?" in asked.body
    assert "would remove 3 of 4 jobs" in asked.body
    assert 'value="fewer"' in asked.body
    assert "b" in names(client)
    assert send(client, "/ui/sync", ask="yes").body.count("Sync to the newest revision?") >= 1
    assert send(client, "/ui/sync", confirm="yes").status == 303
    assert "b" not in names(client)

    clock.move(hours=1)
    back = send(client, "/ui/rollback", sha=first[:10], confirm="yes", reason="too few")
    assert back.headers["location"] == "/ui/bundle?did=rolled_back"
    assert "b" in names(client)
    page = client.get("/ui/bundle").body
    assert f"Pinned to <code>{first}</code>" in page
    entries = client.get("/audit-log").json["entries"]
    assert [(one["act"], one["outcome"]) for one in reversed(entries)] == [
        ("sync", "done"),
        ("sync", "refused"),
        ("sync", "done"),
        ("rollback", "done"),
    ]
    second = repository.git("rev-parse", "HEAD")
    assert [one["effect"] and one["effect"]["revision"] for one in reversed(entries)] == [
        first,
        None,
        second,
        first,
    ]
    assert [one["effect"] and one["effect"]["text"] for one in reversed(entries)] == [
        f"{first[:7]} in force, pinned, 4 jobs added",
        None,
        f"{second[:7]} replaced since, 3 jobs removed",
        f"{first[:7]} in force, pinned, 3 jobs added",
    ]
    assert f'href="/ui/bundle#r{second}"' in client.get("/ui/audit").body
    assert f'<li id="r{second}">' in page


@pytest.mark.process
def test_the_assistants_sync_says_which_revision_it_brought_also_if_that_was_in_force(
    repository: BundleRepository, client: Client
) -> None:
    """Its row is written when it begins, and completed when it ends."""
    sha = repository.git("rev-parse", "HEAD")
    sauron = wiring.PROCESS.get()
    for _ in range(2):
        given = {"apply": True, "reason": "r"}
        assert not call(sauron, Caller("jarvis", "operate"), "sync", given).refused
    assert client.post("/sync").status == 200
    found = client.get("/audit-log").json["entries"]
    assert [(one["door"], one["effect"]["text"]) for one in found] == [
        ("http", f"{sha[:7]} in force, it was in force before"),
        ("mcp", f"{sha[:7]} in force, it was in force before"),
        ("mcp", f"{sha[:7]} in force, 4 jobs added"),
    ]
