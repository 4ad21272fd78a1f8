"""A real Prometheus scrapes a real Sauron by the configuration, dashboard and rules of docs/."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.outside import SAMPLE, Repository, Serve, wait_for
from tests.prometheus_server import DOCS, MISSING, PROGRAM, prometheus

pytestmark = [pytest.mark.process, pytest.mark.skipif(PROGRAM is None, reason=MISSING)]
TOKEN, OPERATOR = "a-token-of-prometheus", "a-token-of-the-operator"


def test_prometheus_scrapes_fills_the_dashboard_and_alerts_on_a_jobs_first_failure(
    serve: Serve, repository: Repository, tmp_path: Path
) -> None:
    repository.commit(SAMPLE)
    tokens = f"prometheus:read:{TOKEN},ops:operate:{OPERATOR}"
    served = serve(SAURON_API_TOKENS=tokens).until_synced(Authorization=f"Bearer {OPERATOR}")
    server = prometheus(tmp_path / "prometheus", served.url.removeprefix("http://"), TOKEN)
    try:
        runs = 'sauron_runs_total{job_id="fails",state="failed"}'
        wait_for(lambda: server.value(runs), what="it was scraped", seen=lambda: server.ask("targets"))
        assert not server.firing()
        served.ended(served.trigger("hello"))
        served.ended(served.trigger("fails"))
        wait_for(lambda: "SauronJobFails" in server.firing(), what="the rule fires")
        assert server.firing() == {"SauronJobFails"}

        for panel in json.loads((DOCS / "grafana.json").read_text("utf-8"))["panels"]:
            for target in panel["targets"]:
                asked = re.sub(r"\$\w+", "1m", target["expr"])  # what Grafana puts for $__rate_interval
                assert server.value(asked), f"{panel['title']} shows nothing: {asked}"
    finally:
        server.close()
