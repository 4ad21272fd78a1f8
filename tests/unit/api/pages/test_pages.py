from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import ledger, registry
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, basic, begin, confirm, execute
from tests.unit.api.conftest import Build

HTML = {"Accept": "text/html,application/xhtml+xml"}
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
VOID = {"meta", "br", "hr", "input", "link", "img"}


class Reader(HTMLParser):
    """A parser that keeps a page's tags and refuses elements that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def forms(page: str) -> list[str]:
    return [str(attrs["action"]) for tag, attrs in read(page).tags if tag == "form" and "action" in attrs]


def test_the_page_says_that_all_is_well(sauron: Sauron, client: Client) -> None:
    sauron.membership.join()
    sauron.duties.tick()
    answer = client.get("/", **HTML)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "All is well." in answer.body
    assert "<title>All is well · Sauron</title>" in answer.body
    assert "2 jobs, none late, none missed." in answer.body
    assert "in 14 h" in answer.body
    assert "at 03:00" in client.get("/ui/jobs", **HTML).body


def test_the_page_warns_that_the_api_is_open(sauron: Sauron, client: Client) -> None:
    assert "The API is open" in client.get("/").body


def test_the_page_explains_that_no_bundle_is_configured(build: Build, client: Client) -> None:
    build()
    page = client.get("/").body
    assert "No bundle is configured." in page
    assert "JOBS_GIT_REPO_URL" in page
    assert "Nothing has run yet." in client.get("/ui/runs").body


def test_the_page_explains_a_bundle_that_is_not_synced_yet(build: Build, client: Client) -> None:
    build(JOBS_GIT_REPO_URL="https://git.test/jobs.git")
    page = client.get("/").body
    assert "The bundle has not been synced yet." in page
    assert "/ui/sync" in forms(page)


def test_the_page_has_a_button_for_what_can_be_done(sauron: Sauron, client: Client) -> None:
    assert {"/ui/jobs/nightly-backup/trigger", "/ui/jobs/nightly-backup/disable"} <= set(
        forms(client.get("/ui/jobs/nightly-backup").body)
    )
    assert "/ui/jobs/digest/enable" in forms(client.get("/ui/jobs/digest").body)


def test_buttons_do_it_and_lead_back(sauron: Sauron, client: Client) -> None:
    ran = client.ask(
        "POST", "/ui/jobs/nightly-backup/trigger", b"", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    (run,) = client.get("/runs").json["runs"]
    assert (ran.status, ran.headers["location"]) == (
        303,
        f"/ui/jobs/nightly-backup?did=triggered&run={run['id']}",
    )
    back = client.get(ran.headers["location"]).body
    assert "The run was queued." in back
    assert f'href="/ui/runs/{run["id"]}"' in back
    assert confirm(client, "/ui/jobs/nightly-backup/disable").headers["location"].endswith("?did=disabled")
    assert client.get("/jobs/nightly-backup").json["enabled"] is False
    assert client.post("/ui/jobs/digest/enable").headers["location"] == "/ui/jobs/digest?did=enabled"
    cancelled = confirm(client, f"/ui/runs/{run['id']}/cancel")
    assert cancelled.headers["location"] == f"/ui/runs/{run['id']}?did=cancelled"
    again = client.post("/ui/jobs/nightly-backup/enable"), client.post(f"/ui/runs/{run['id']}/retry")
    assert [answer.status for answer in again] == [303, 303]
    assert client.post("/ui/sync").headers["location"] == "/ui/bundle?did=unsynced"


def test_text_in_the_address_is_not_repeated(sauron: Sauron, client: Client) -> None:
    assert "hacked" not in client.get("/?did=hacked&run=hacked").body
    assert "hacked" not in client.get("/?did=triggered&run=hacked").body


def test_what_jobs_say_is_escaped(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    evil = "<script>alert(1)</script>"
    define(sauron.store, clock, "evil", "0 3 * * *", description=evil)
    run_id = client.post("/jobs/evil/trigger", {"reason": evil, "params": {"x": evil}}).json["queue_id"]
    execute(sauron, clock, Verdict(Outcome.FAILED, error=evil, error_type=evil, result=evil), wrote=[evil])
    for path in ("/", "/ui/jobs", "/ui/runs", f"/ui/runs/{run_id}"):
        page = client.get(path).body
        assert page.count("<script") == 1
        read(page)
    log = client.get(f"/ui/runs/{run_id}/log")
    assert (log.body, log.headers["content-type"]) == (evil, "text/plain; charset=utf-8")


def test_what_jobs_say_turns_no_text_around_and_hides_none(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    evil = "su\x1b[31mre\u202e it\u2066 is\x07"
    define(sauron.store, clock, "evil", "0 3 * * *", description=evil)
    run_id = client.post("/jobs/evil/trigger", {"reason": evil}).json["queue_id"]
    execute(sauron, clock, Verdict(Outcome.FAILED, error=f"<b>{evil}"), wrote=[evil])
    for path in ("/ui/jobs", "/ui/runs", f"/ui/runs/{run_id}"):
        page = client.get(path, **HTML)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.body)
        assert "[31m" not in page.body
        assert "sure it is" in page.body


def test_a_page_may_load_nothing_but_its_own_style_and_script(sauron: Sauron, client: Client) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src 'self';" in policy
    assert "form-action 'self'" in policy
    assert " style=" not in re.sub(r"<style>.*</style>", "", answer.body, flags=re.DOTALL)


def test_a_very_long_log_shows_its_end_and_says_where_it_goes_on(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    execute(
        sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=["\u00e9" * 65_536] * 12 + ["the very last line\n"]
    )
    assert "the very last line" in client.get(f"/ui/runs/{run_id}").body
    first = client.get(f"/ui/runs/{run_id}/log")
    path = f"/ui/runs/{run_id}/log?after={first.headers['x-next-after']}"
    assert first.body.endswith(f"\n[... continued at {path} ...]\n")
    assert client.get(path).body.endswith("\u00e9the very last line\n")


def test_progress_is_shown_as_a_terminal_shows_it_and_kept_as_it_was_written(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    bar = "".join(f"\r{number:4} of 4309".ljust(60) for number in range(4310))
    execute(
        sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=["copying\n", bar[:99_990], bar[99_990:], "\nend\n"]
    )
    page = client.get(f"/ui/runs/{run_id}").body
    assert re.findall('<span class="text">(.*?)</span></div>', page) == ["copying", "4309 of 4309", "end"]
    assert client.get(f"/ui/runs/{run_id}/log").body == "copying\n4309 of 4309\nend\n"
    assert client.get(f"/runs/{run_id}/log").body == f"copying\n{bar}\nend\n"


def test_an_error_that_is_cut_leaves_no_half_of_a_sequence(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    client.post("/jobs/nightly-backup/trigger")
    execute(sauron, clock, Verdict(Outcome.FAILED, error="no room " * 19 + "\x1b[38;5;208m" * 9))
    assert "[38" not in client.get("/").body


def test_a_run_has_a_page_with_attempts_error_and_log(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    assert "The run is queued" in client.get(f"/ui/runs/{run_id}").body
    execute(
        sauron,
        clock,
        Verdict(Outcome.FAILED, error="disk full", exit_code=3),
        wrote=["\x1b[31mred\x1b[0m words\n"],
        retry_in=timedelta(seconds=1),
    )
    clock.move(seconds=5)
    begin(sauron, clock, wrote=["second try\n"])
    page = client.get(f"/ui/runs/{run_id}").body
    assert "exit code 3" in page
    assert '<b class="bad">red</b> words</span>' in page
    assert "second try" in page
    assert forms(page) == [f"/ui/runs/{run_id}/cancel", f"/ui/runs/{run_id}#log"]


def test_a_finished_run_can_be_run_again_and_does_not_reload(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED, result={"rows": 3}), wrote=["x" * 70_000])
    page = client.get(f"/ui/runs/{run_id}").body
    assert forms(page) == [f"/ui/runs/{run_id}/retry", f"/ui/runs/{run_id}#log"]
    assert "refresh" not in page
    assert f'href="/ui/runs/{run_id}/log" download="nightly-backup-{run_id[:8]}.log"' in page
    assert len(page) < 100_000
    assert "rows" in page


def test_a_refusal_in_a_browser_is_a_page(sauron: Sauron, client: Client) -> None:
    answer = client.get("/ui/runs/none", **HTML)
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no run" in answer.body
    assert "Back to the overview" in answer.body
    assert client.ask("POST", "/ui/jobs/digest/trigger", headers=HTML).status == 400


def test_a_rejected_job_and_its_reason_are_shown(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    with sauron.store.write() as tx:
        job = registry.job(tx, "nightly-backup")
        assert job is not None
        ledger.reject(tx, job, "cron has 4 fields", now=clock.now())
    page = client.get("/").body
    assert "rejected" in page
    assert "Cron has 4 fields" in page


def test_links_follow_the_stage_behind_api_gateway(sauron: Sauron, client: Client) -> None:
    from chalice.local import LambdaContext

    import app as application

    event = {
        "requestContext": {
            "httpMethod": "GET",
            "resourcePath": "/",
            "path": "/api/",
            "identity": {"sourceIp": "::1"},
        },
        "headers": {},
        "pathParameters": {},
        "multiValueQueryStringParameters": None,
        "stageVariables": {},
        "body": None,
    }
    page = application.app(event, LambdaContext("api", 128))["body"]
    assert 'href="/api/ui/jobs"' in page


def test_links_forms_and_redirects_keep_the_path_of_the_public_address(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(
        SAURON_PUBLIC_URL="http://ops.test/tools/sauron/", JOBS_GIT_REPO_URL="https://git.test/jobs.git"
    )
    define(sauron.store, clock, "nightly-backup", "0 3 * * *")
    define(sauron.store, clock, "digest", "0 8 * * *", enabled=False)
    ran = client.post("/ui/jobs/nightly-backup/trigger").headers["location"]
    run_id = client.get("/runs").json["runs"][0]["id"]
    assert ran == f"/tools/sauron/ui/jobs/nightly-backup?did=triggered&run={run_id}"
    seen = [client.get(ran.removeprefix("/tools/sauron")).body, client.get(f"/ui/runs/{run_id}").body]
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=["x" * 70_000])
    seen += [client.get(path, **HTML).body for path in ("/", f"/ui/runs/{run_id}", "/ui/runs/none")]
    for page in seen:
        tags = read(page).tags
        places = [
            str(attrs[name]) for _, attrs in tags for name in ("href", "action", "src") if name in attrs
        ]
        assert places
        away = [place for place in places if not place.startswith(("/tools/sauron/", "#", "?", "data:"))]
        assert not away, away
    for act in ("disable", "enable"):
        answer = confirm(client, f"/ui/jobs/digest/{act}")
        assert answer.headers["location"] == f"/tools/sauron/ui/jobs/digest?did={act}d"
    back = client.post(f"/ui/runs/{run_id}/retry").headers["location"]
    assert re.fullmatch("/tools/sauron/ui/runs/[-0-9a-f]{36}[?]did=retried", back)


def test_on_aws_the_stage_counts_and_not_the_path_of_the_public_address(
    build: Build, clock: ManualClock
) -> None:
    sauron = build(
        AWS_LAMBDA_FUNCTION_NAME="sauron-prod",
        SAURON_PUBLIC_URL="https://id.execute-api.test/api/",
        SAURON_API_TOKENS="maria:operate:operate-token-1",
    )
    define(sauron.store, clock, "digest", "0 8 * * *", enabled=False)
    assert forms(basic("operate-token-1").get("/ui/jobs").body) == ["/ui/jobs", "/ui/jobs"]
    assert "/ui/jobs/digest/enable" in forms(basic("operate-token-1").get("/ui/jobs/digest").body)
