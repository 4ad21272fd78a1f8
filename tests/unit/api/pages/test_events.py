from __future__ import annotations

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import log_chunks
from chalicelib.web.rendering import script
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client, bearer, begin, execute, trigger
from tests.unit.api.conftest import Build
from tests.unit.api.pages.test_pages import read


def tag(client: Client, page: str = "/") -> str:
    return client.get(f"/ui/events?page={page}").headers["etag"]


def test_a_page_without_changes_is_not_sent_again(sauron: Sauron, client: Client) -> None:
    first = client.get("/ui/events")
    assert first.status == 200
    again = client.get("/ui/events", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, "")
    assert client.get("/ui/events?page=/ui/jobs").headers["etag"] != first.headers["etag"]


def test_every_change_that_a_page_shows_is_told(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    seen = [tag(client)]

    def told() -> None:
        seen.append(tag(client))
        assert tag(client) == seen[-1]
        assert len(set(seen)) == len(seen)

    trigger(client)
    told()
    run = begin(sauron, clock, wrote=["one\n"])
    told()
    client.post(f"/runs/{run.id}/cancel")
    told()
    trigger(client)
    told()
    client.post("/jobs/nightly-backup/disable", {"reason": "the disk is full"})
    told()
    client.post("/jobs/nightly-backup/enable")
    told()
    sauron.membership.join()
    told()
    clock.move(seconds=61)
    told()


def test_what_ends_is_told_at_once(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run_id = trigger(client)
    page = f"/ui/runs/{run_id}"
    seen = [tag(client), tag(client, page)]
    run = begin(sauron, clock)
    seen += [tag(client), tag(client, page)]
    with sauron.store.write() as tx:
        log_chunks.append(tx, run.id, 1, ["one\n"], now=clock.now())
    assert tag(client) == seen[2]
    seen.append(tag(client, page))
    trigger(client)
    assert tag(client, page) == seen[-1]
    assert len(set(seen)) == len(seen)


def test_an_open_page_of_a_run_in_progress_moves_with_time(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    page = f"/ui/runs/{trigger(client)}"
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED))
    trigger(client)
    running = f"/ui/runs/{begin(sauron, clock).id}"
    still, moves = tag(client, page), tag(client, running)
    clock.move(seconds=10)
    assert tag(client, page) == still
    assert tag(client, running) != moves


def test_what_comes_next_is_told_at_once_of_acts_and_within_seconds_of_runs(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    page = "/ui/next?q=nightly"
    seen = [tag(client, page)]
    client.post("/jobs/nightly-backup/disable", {"reason": "the disk is full"})
    seen.append(tag(client, page))
    client.post("/jobs/nightly-backup/enable")
    seen.append(tag(client, page))
    trigger(client)
    seen.append(tag(client, page))
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED))
    assert tag(client, page) == seen[-1]
    clock.move(seconds=10)
    seen.append(tag(client, page))
    assert len(set(seen)) == len(seen)


def test_a_run_that_is_gone_has_a_version_too(sauron: Sauron, client: Client) -> None:
    assert client.get("/ui/events?page=/ui/runs/00000000-0000-7000-8000-000000000000").status == 200
    assert client.get("/ui/events?page=//elsewhere.test/%3Cscript%3E").status == 200
    assert "'page'" in client.get("/ui/events?page=/&page=/").problem["detail"]


def test_events_and_the_script_need_what_pages_need(build: Build, client: Client) -> None:
    build(SAURON_API_TOKENS="maria:read:read-token-1")
    for path in ("/ui/events", f"/ui/script/{script().digest}"):
        assert client.get(path).status == 401
        assert bearer("read-token-1").get(path).status == 200


def test_the_script_is_kept_by_browsers_and_named_by_its_content(sauron: Sauron, client: Client) -> None:
    page = client.get("/ui/runs")
    [address] = [str(attrs["src"]) for name, attrs in read(page.body).tags if name == "script"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    got = client.get(address)
    assert got.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in got.headers["cache-control"]
    assert client.get(address, If_None_Match=got.headers["etag"]).status == 304
    assert client.get("/ui/script/0123").status == 404
