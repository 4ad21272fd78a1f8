"""Time to the Lambda zip's first response and to later ones: real awslambdaric, PostgreSQL and SSM.

Cold is from starting the process until the answer is posted, the store opened and read. No compiled file is
written: the code's own come from the zip or not at all. Beside the time on the clock stands the processor
time of the process, because other work on this machine adds to the first alone.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS = 7
WARM, SETTLED = 300, 5
TOKEN = "bench-token-12345"
LIMITS = {"/health": 1200.0, "/jobs": 2500.0}
WARM_LIMIT = 10.0


def bench_cold_start() -> None:
    """First answers of /health and /jobs on Lambda, and warm ones."""
    from tests import aws_server
    from tests.lambda_zip import package
    from tests.life_hub import Server
    from tests.parity.lambda_cloud import Cloud
    from tests.parity.sandbox import Sandbox

    found = package()
    server, aws = Server(), aws_server.start()
    with tempfile.TemporaryDirectory(prefix="sauron-bench-") as name:
        cloud = Cloud(aws, found, Path(name))
        try:
            _fill(server.url())
            cloud.start(
                {},
                {"JOB_QUEUE_DB_URL": server.url(), "SAURON_API_TOKENS": f"bench:admin:{TOKEN}"},
                clock=False,
            )
            function = cloud.lambdas.functions[cloud.function()]
            log = Path(name) / "bench.log"
            for path, limit in LIMITS.items():
                took, computed = [], []
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    sandbox = Sandbox(found, function, log, folder=Path(name))
                    _ask(sandbox, _request(cloud, path))
                    took.append((time.perf_counter() - began) * 1000)
                    computed.append(_processor_ms(sandbox.process.pid))
                    sandbox.end()
                _say(f"cold start to {path}, median of {ROUNDS}", statistics.median(took), limit)
                _say(f"cold start to {path}, processor time", statistics.median(computed), limit)
            for what, handler, event in (
                ("/health", function, _request(cloud, "/health")),
                ("/jobs, 50 of them", function, _request(cloud, "/jobs")),
                ("tick, nothing due", cloud.lambdas.functions[cloud.function("tick")], _tick()),
            ):
                sandbox = Sandbox(found, handler, log, folder=Path(name))
                took, before = [], 0.0
                for number in range(WARM):
                    before = _processor_ms(sandbox.process.pid) if number == SETTLED else before
                    began = time.perf_counter()
                    _ask(sandbox, event)
                    took.append((time.perf_counter() - began) * 1000)
                computed = [(_processor_ms(sandbox.process.pid) - before) / (WARM - SETTLED)]
                sandbox.end()
                warm = sorted(took[SETTLED:])
                _say(f"warm {what}, p50", statistics.median(warm), WARM_LIMIT)
                _say(f"warm {what}, p99", warm[int(len(warm) * 0.99)], WARM_LIMIT)
                _say(f"warm {what}, processor time, mean", computed[0], WARM_LIMIT)
        finally:
            cloud.close()
            aws.close()
            server.close()


def _fill(url: str) -> None:
    from chalicelib.clock import SystemClock
    from chalicelib.model.jobs import JobSpec
    from chalicelib.store import Store, ledger
    from tests.conftest import job_record

    store, clock = Store(url), SystemClock()
    store.migrate()
    with store.write() as tx:
        for number in range(50):
            spec = JobSpec.from_record(job_record(f"job-{number}", f"{number} 3 * * 0"))
            ledger.define(tx, spec, None, source="bundle", revision="a" * 40, now=clock.now())
    store.close()


def _request(cloud: Any, path: str) -> bytes:
    from tests.parity.events import proxy_event

    sent = [("Authorization", f"Bearer {TOKEN}"), ("Accept", "*/*"), ("User-Agent", "bench")]
    return json.dumps(
        proxy_event(cloud.api, "GET", f"/{cloud.api.stage}{path}", sent, b"", source_ip="203.0.113.9")
    ).encode()


def _tick() -> bytes:
    from tests.parity.events import scheduled_event

    return json.dumps(scheduled_event("tick")).encode()


def _ask(sandbox: Any, event: bytes) -> None:
    outcome = sandbox.invoke(event)
    said = json.loads(outcome.payload or b"null")
    if outcome.error or (said and said.get("statusCode", 200) != 200):
        raise RuntimeError(outcome.payload.decode())


def _processor_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _say(what: str, value: float, limit: float) -> None:
    sys.stdout.write(f"{what:<58} {value:>10.1f} {'ms':<10} limit {limit:g}\n")
    sys.stdout.flush()
