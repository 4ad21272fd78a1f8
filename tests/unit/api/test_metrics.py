from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from sqlalchemy import event

from chalicelib import __version__
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import bundle, duties, ledger
from chalicelib.wiring import Sauron
from tests.conftest import START, ManualClock, define, job_record
from tests.unit.api.client import Client, basic, bearer, execute, trigger
from tests.unit.api.conftest import Build

DOCS = Path(__file__).parents[3] / "docs"
NAMES = {  # what people's dashboards and alerts are made of
    "sauron_build_info": {"version"},
    "sauron_runs_total": {"job_id", "state"},
    "sauron_run_seconds": set(),
    "sauron_start_lateness_seconds": set(),
    "sauron_queue": {"state"},
    "sauron_oldest_due_seconds": set(),
    "sauron_job_last_success_timestamp_seconds": {"job_id"},
    "sauron_job_next_run_timestamp_seconds": {"job_id"},
    "sauron_job_enabled": {"job_id"},
    "sauron_incidents": {"kind"},
    "sauron_last_tick_timestamp_seconds": set(),
    "sauron_last_sync_timestamp_seconds": set(),
    "sauron_sync_failures": set(),
    "sauron_outbox_rows": set(),
    "sauron_runners": set(),
}


def scraped(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name and label values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in read_text(client.get("/metrics").body):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_every_promised_metric_is_there_with_its_labels(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    trigger(client)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED))
    with sauron.store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())
        bundle.change(tx, last_sync=clock.now())
    labels: dict[str, set[str]] = {}
    for family in read_text(client.get("/metrics").body):
        assert family.documentation
        for sample in family.samples:
            parts = "_(bucket|sum|count)$" if family.type == "histogram" else "$"
            name = re.sub(parts, "", sample.name)
            labels.setdefault(name, set()).update(set(sample.labels) - {"le"})
    assert labels == NAMES


def test_the_values_are_those_of_the_store(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    trigger(client)
    clock.move(seconds=3)
    assert scraped(client)["sauron_oldest_due_seconds"][()] == 3
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED))
    good = clock.now()
    trigger(client)
    execute(sauron, clock, Verdict(Outcome.FAILED, "boom"), seconds=40)
    trigger(client)
    with sauron.store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=START)
        bundle.change(tx, last_sync=good, consecutive_failures=2)
    sauron.duties.review()
    found = scraped(client)
    assert found["sauron_build_info"] == {(__version__,): 1}
    ended = {key: runs for key, runs in found["sauron_runs_total"].items() if runs}
    assert ended == {("nightly-backup", "succeeded"): 1, ("nightly-backup", "failed"): 1}
    assert found["sauron_run_seconds_sum"][()] == pytest.approx(42, abs=0.01)
    assert found["sauron_run_seconds_count"][()] == 2
    buckets = found["sauron_run_seconds_bucket"]
    assert [buckets[(le,)] for le in ("1.0", "2.5", "60.0", "+Inf")] == [0, 1, 2, 2]
    assert found["sauron_start_lateness_seconds_sum"][()] == pytest.approx(3, abs=0.01)
    assert found["sauron_queue"] == {("queued",): 1, ("running",): 0}
    assert found["sauron_oldest_due_seconds"][()] == 0
    assert found["sauron_job_last_success_timestamp_seconds"] == {("nightly-backup",): good.timestamp()}
    assert found["sauron_job_enabled"][("nightly-backup",)] == 1
    assert found["sauron_job_enabled"][("digest",)] == 0
    next_run = START.replace(day=3, hour=3, minute=0, second=0)
    assert found["sauron_job_next_run_timestamp_seconds"][("nightly-backup",)] == next_run.timestamp()
    assert ("digest",) not in found["sauron_job_next_run_timestamp_seconds"]
    assert found["sauron_incidents"][("failing",)] == 1
    assert found["sauron_incidents"][("late",)] == 0
    assert found["sauron_last_tick_timestamp_seconds"][()] == START.timestamp()
    assert found["sauron_last_sync_timestamp_seconds"][()] == good.timestamp()
    assert found["sauron_sync_failures"][()] == 2
    assert found["sauron_outbox_rows"][()] == 0


def test_a_jobs_totals_begin_at_0_so_that_the_first_failure_is_an_increase(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    ends = ("succeeded", "degraded", "failed", "timed_out", "cancelled", "skipped", "missed")
    for when in ("before the first run", "after it"):
        found = scraped(client)["sauron_runs_total"]
        assert {state for job, state in found if job == "nightly-backup"} == set(ends), when
        assert found["nightly-backup", "failed"] == (when == "after it"), when
        trigger(client)
        execute(sauron, clock, Verdict(Outcome.FAILED, "boom"))


def test_a_scraper_gets_the_form_that_it_asks_for(sauron: Sauron, client: Client) -> None:
    trigger(client)
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
    open_metrics = client.get("/metrics", Accept=prometheus)
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    of_both = [
        [(one.name, one.labels, one.value) for family in read(got.body) for one in family.samples]
        for read, got in ((read_openmetrics, open_metrics), (read_text, plain))
    ]
    assert of_both[0] == of_both[1]
    for accept, kind in (
        ("application/openmetrics-text;q=0, text/plain", "text/plain"),
        ("application/openmetrics-text; version=1.0.0; q=0.0, */*;q=0.1", "text/plain"),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.9", "text/plain"),
        ("text/html;q=1, application/openmetrics-text;Q=0.9, text/*;q=0.1", "application/openmetrics-text"),
        ("text/plain;q=0, application/openmetrics-text;q=0.001", "application/openmetrics-text"),
        ("application/openmetrics-text;q=much", "text/plain"),
        ("*/*;q=0", "text/plain"),
    ):
        assert client.get("/metrics", Accept=accept).headers["content-type"].startswith(kind), accept


def test_a_job_id_of_any_letters_is_a_label(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    define(sauron.store, clock, "a.b-c_9")
    assert scraped(client)["sauron_job_enabled"][("a.b-c_9",)] == 1


def test_scraping_needs_the_scope_read(build: Build) -> None:
    build(SAURON_API_TOKENS="grafana:read:a-token-of-some-length")
    assert Client().get("/metrics").status == 401
    assert basic("a-token-of-some-length").get("/metrics").status == 401
    assert bearer("a-token-of-some-length").get("/metrics").status == 200


def test_a_scrape_takes_few_statements_however_many_jobs_there_are(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    def statements() -> int:
        seen: list[str] = []
        with listening(sauron, seen):
            client.get("/metrics")
        return len(seen)

    few = statements()
    for number in range(30):
        define(sauron.store, clock, f"job-{number}")
    assert statements() == few <= 14


class listening:  # noqa: N801 - reads as a statement
    def __init__(self, sauron: Sauron, seen: list[str]) -> None:
        self.engine, self.seen = sauron.store.engine, seen

    def note(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            self.seen.append(statement)

    def __enter__(self) -> None:
        event.listen(self.engine, "before_cursor_execute", self.note)

    def __exit__(self, *_error: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self.note)


def expressions() -> dict[str, str]:
    board = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
    rules = yaml.safe_load((DOCS / "prometheus-rules.yml").read_text(encoding="utf-8"))
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert {"summary", "description"} <= set(rule["annotations"]), rule["alert"]
            found[rule["alert"]] = rule["expr"]
    return found


@pytest.mark.parametrize(("place", "expression"), expressions().items())
def test_dashboard_and_alert_rules_ask_for_metrics_and_labels_that_exist(place: str, expression: str) -> None:
    named = re.findall(r"\bsauron_\w+", expression)
    families = {re.sub("_bucket$", "", name) for name in named}
    assert families, place
    assert families <= set(NAMES)
    labels = re.findall(r"(?:by|on) \(([\w, ]+)\)", expression) + re.findall(r"{(\w+)[=!]", expression)
    of_these = {label for name in families for label in NAMES[name]} | {"le"}
    assert {one.strip() for label in labels for one in label.split(",")} <= of_these
    promql_parser.parse(re.sub(r"\$\w+", "5m", expression))  # raises; the dashboard fills in $__rate_interval


def test_the_page_on_metrics_explains_each_with_its_labels() -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(sauron_\w+)(?:{([\w,]+)})?` \|", page, re.MULTILINE)
    assert {name: set(filter(None, labels.split(","))) for name, labels in told} == NAMES


@pytest.mark.slow
def test_two_hundred_jobs_are_scraped_within_a_fifth_of_the_two_seconds_for_a_thousand(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    client.get("/metrics")  # imports
    with sauron.store.write() as tx:
        for number in range(200):
            cron = f"{number % 60} {number % 24} * * {number % 7}"
            spec = JobSpec.from_record(job_record(f"job-{number}", cron, timezone="Europe/Berlin"))
            ledger.define(tx, spec, None, source="bundle", revision="a" * 40, now=clock.now())
    began = time.thread_time()
    body = client.get("/metrics").body
    assert time.thread_time() - began < 0.4
    assert body.count("\nsauron_job_next_run_timestamp_seconds{") == 201


def test_an_accept_header_that_cannot_be_read_gets_the_usual_text(sauron: Sauron, client: Client) -> None:
    assert client.get("/metrics", Accept="text/plain;version=x;escaping").status == 200
