"""The routes, schedules and queue handler of Sauron: Chalice declarations only.

The container, `chalice local` and Lambda run these same handlers. Importing this module starts nothing and
opens nothing: Chalice imports it to package and to deploy. Only under `chalice local`, which fires no
schedules by itself, it starts the clock and the workers in this process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, EventSourceHandler, Rate, SQSEvent

from chalicelib import wiring
from chalicelib.api import (
    alerts,
    assistant_route,
    audit_log,
    bundle,
    health,
    hooks,
    jobs,
    metrics,
    openapi,
    pages,
    pausing,
    planning,
    runners,
    runs,
    schedule,
)
from chalicelib.api.middleware import MIDDLEWARE
from chalicelib.runtime import lambda_worker, self_check
from chalicelib.wiring import PROCESS

# Chalice notes its name in the environment it is given; jobs inherit ours, so it gets one of its own.
app = Chalice(app_name="sauron", configure_logs=False, env={})
for step in MIDDLEWARE:
    app.register_middleware(step, "http")
NOUNS = (health, jobs, runs, bundle, schedule, planning, alerts, runners, pausing, audit_log)
DOORS = (hooks, assistant_route, openapi, metrics)
for module in (*NOUNS, *DOORS, *pages.MODULES):
    app.register_blueprint(module.blueprint)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="tick")
def tick(event: CloudWatchEvent) -> list[dict[str, Any]] | None:
    """Turn what is due into runs, or check this function."""
    if self_check.asked(event.detail):
        return self_check.report(PROCESS.get())
    PROCESS.get().duties.tick()
    return None


@app.schedule(Rate(1, unit=Rate.MINUTES), name="sync")
def sync(event: CloudWatchEvent) -> list[dict[str, Any]] | dict[str, Any] | None:
    """Sync the bundle if its interval has passed, or do what another function or `sauron aws check` asks."""
    if self_check.asked(event.detail):
        return self_check.report(PROCESS.get())
    if event.detail:
        return PROCESS.get().bundle.serve(event.detail)
    PROCESS.get().bundle.sync_if_due()
    return None


@app.schedule(Rate(1, unit=Rate.MINUTES), name="upkeep")
def upkeep(event: CloudWatchEvent) -> list[dict[str, Any]] | None:
    """Keep everything well (rescue, review incidents, ping the outside monitor), or check this function."""
    if self_check.asked(event.detail):
        return self_check.report(PROCESS.get())
    PROCESS.wrong_tokens.report()
    PROCESS.get().duties.upkeep()
    return None


# The queue's address is in the environment when this is deployed; only deploying uses the name. Elsewhere it
# may be there and empty, which means unset.
@app.on_sqs_message(
    os.environ.get("SAURON_SQS_QUEUE_URL", "").strip().rpartition("/")[2] or "sauron-dev-runs",
    batch_size=1,
    name="work",
)
def work(event: SQSEvent) -> list[dict[str, Any]] | None:
    """Execute a run that is due, or check this function."""
    context: Any = event.context
    for record in event:
        if self_check.asked_by(record.body):
            return self_check.report(PROCESS.get())
        lambda_worker.work(
            PROCESS.get(), record.body, left_seconds=lambda: context.get_remaining_time_in_millis() / 1000
        )
    return None


# Chalice collects a handler's middleware from a generator at its first call; two first calls at once could
# skip some.
for handler in app.handler_map.values():
    if isinstance(handler, EventSourceHandler):
        handler.middleware_handlers = list(handler.middleware_handlers)


def under_chalice_local(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Say whether this process is `chalice [options] local`, by what Chalice's command line exports."""
    if environ.get("AWS_CHALICE_CLI_MODE") != "true":
        return False
    words = iter(argv[1:])
    for word in words:
        if word == "--project-dir":
            next(words, None)
        elif not word.startswith("-"):
            return word == "local"
    return False


if under_chalice_local(sys.argv, os.environ):
    import atexit

    from chalicelib import logs
    from chalicelib.runtime import runner
    from chalicelib.runtime.closed_memory import close_memory
    from chalicelib.runtime.heap import share_heap

    close_memory()
    share_heap()
    logs.configure()
    ours = wiring.build(PROCESS.settings(), runtime=wiring.RUNNER)
    PROCESS.set(ours)
    logs.configure(ours.settings.log_level, secrets=ours.settings.secret_values)
    logs.capture_crashes()
    running = runner.start(app, ours)
    atexit.register(running.stop, ours.settings.drain)
