"""/metrics: the state of the store as Prometheus reads it.

Everything comes from the store, so that every runner and Lambda say the same; nothing is counted in this
process. Counters and histograms are `store.run_totals`, which retention does not lower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib import __version__
from chalicelib.alerting.check_result import Kind
from chalicelib.model.jobs import Job
from chalicelib.model.runs import FINAL
from chalicelib.store import bundle, duties, history, incidents, outbox, registry, run_totals, runners
from chalicelib.store.database import Tx
from chalicelib.wiring import Sauron

from .routing import TEXT, current_request, get

if TYPE_CHECKING:
    from prometheus_client import Metric

blueprint = Blueprint(__name__)

_SERVED = frozenset({"application/openmetrics-text", "text/plain", "text/*", "*/*"})
TIMINGS = {
    "run_seconds": "How long runs took from their first start to their end, waits between attempts included.",
    "start_lateness_seconds": "How long after their due time runs started that needed one attempt.",
}


@get(blueprint, "/metrics", returns=f"{TEXT}, application/openmetrics-text")
def metrics() -> Response:
    """Return metrics for Prometheus, as text or, where it asks for that, as OpenMetrics."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    current = current_request()
    try:
        encode, kind = choose_encoder(_liked_best(current.request.headers.get("accept", "")))
    except (TypeError, ValueError):  # a header that the library cannot read
        encode, kind = choose_encoder("")
    found = CollectorRegistry(auto_describe=False)
    found.register(_Scrape(current.sauron))
    return Response(body=encode(found).decode(), headers={"Content-Type": kind})


def _liked_best(accept: str) -> str:
    """Return the range of an Accept header that the scraper likes best of those that can be served.

    The library that writes the metrics passes over the weights. A range of weight 0 is refused (RFC 9110
    12.4.2); where all are, or none can be served, it is the plain text.
    """
    liked: list[tuple[float, str]] = []
    for one in accept.split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        weights = [float(value[2:]) for value in parameters if value[:2].lower() == "q="]
        weight = weights[0] if weights else 1.0
        if kind.lower() in _SERVED and weight > 0:
            liked.append((weight, one.strip()))
    return max(liked, key=lambda pair: pair[0])[1] if liked else ""


class _Scrape:
    """What the store says now, read when it is collected."""

    def __init__(self, sauron: Sauron) -> None:
        self._sauron = sauron

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, from one reading of the store."""
        now = self._sauron.clock.now()
        with self._sauron.store.read() as tx:
            jobs = registry.all_jobs(tx)
            yield from _of_runs(tx, jobs)
            yield from _of_jobs(jobs, now=now)
            yield from _of_the_queue(tx, now=now)
            yield from _of_sauron(tx, self._sauron)


def _of_runs(tx: Tx, jobs: Sequence[Job]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    counted = run_totals.counts(tx)
    ended = CounterMetricFamily(
        "sauron_runs", "Runs that ended, by their final state.", labels=("job_id", "state")
    )
    # From 0 on: Prometheus sees no increase in a series that begins with the first failure.
    totals: dict[tuple[str, str], int] = {(job.id, state): 0 for job in jobs for state in FINAL}
    totals |= {key: runs for key, (runs, _) in counted.items()}
    for key, runs in sorted(totals.items()):
        ended.add_metric(key, runs)
    yield ended
    well = GaugeMetricFamily(
        "sauron_job_last_success_timestamp_seconds",
        "When a run of the job last ended well; no value before the first time.",
        labels=("job_id",),
    )
    for job_id, at in sorted(run_totals.last_successes(counted).items()):
        well.add_metric((job_id,), at.timestamp())
    yield well
    for timing, found in run_totals.timings(tx).items():
        buckets, runs = [], 0
        for bound, count in zip((*map(float, run_totals.BOUNDS[timing]), "+Inf"), found.buckets, strict=True):
            runs += count
            buckets.append((str(bound), float(runs)))
        yield HistogramMetricFamily(
            f"sauron_{timing}", TIMINGS[timing], buckets=buckets, sum_value=found.seconds
        )


def _of_jobs(jobs: Sequence[Job], *, now: datetime) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    enabled = GaugeMetricFamily("sauron_job_enabled", "1 if the job is enabled, else 0.", labels=("job_id",))
    upcoming = GaugeMetricFamily(
        "sauron_job_next_run_timestamp_seconds",
        "When the job fires next; no value while it does not fire.",
        labels=("job_id",),
    )
    for job in jobs:
        enabled.add_metric((job.id,), job.enabled)
        for fire_at in job.next_fires(now=now, count=1):
            upcoming.add_metric((job.id,), fire_at.timestamp())
    yield enabled
    yield upcoming


def _of_the_queue(tx: Tx, *, now: datetime) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    queue = GaugeMetricFamily("sauron_queue", "Runs that are queued or running.", labels=("state",))
    for state, count in history.counts(tx).items():
        queue.add_metric((state,), count)
    yield queue
    due = history.oldest_due(tx, now=now)
    yield GaugeMetricFamily(
        "sauron_oldest_due_seconds",
        "For how long the run has been due that waits longest; 0 if none is due.",
        value=0 if due is None else (now - due).total_seconds(),
    )
    yield GaugeMetricFamily(
        "sauron_outbox_rows", "Rows that wait to be copied to Life Hub.", value=outbox.lag(tx).waiting
    )


def _of_sauron(tx: Tx, sauron: Sauron) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("sauron_build", "The version of Sauron.", {"version": __version__})
    wrong = GaugeMetricFamily("sauron_incidents", "Open incidents, by what is wrong.", labels=("kind",))
    kinds = [one.kind for one in incidents.open_incidents(tx)]
    for kind in sorted({*Kind, *kinds}):
        wrong.add_metric((str(kind),), kinds.count(kind))
    yield wrong
    ticked, state = duties.duty(tx, duties.TICK), bundle.state(tx)
    for what, about, at in (
        ("tick", "When due occurrences were last queued", ticked and ticked[0]),
        ("sync", "When the bundle was last synced", state.last_sync),
    ):
        family = GaugeMetricFamily(
            f"sauron_last_{what}_timestamp_seconds", f"{about}; no value before the first time."
        )
        if at is not None:
            family.add_metric((), at.timestamp())
        yield family
    yield GaugeMetricFamily(
        "sauron_sync_failures", "Syncs that failed in a row.", value=state.consecutive_failures
    )
    alive = [one for one in runners.all_runners(tx) if not sauron.peers.gone(one.name)]
    yield GaugeMetricFamily("sauron_runners", "Runners that are alive.", value=len(alive))
