"""The bundle of the parity suite: one job for each promise, told apart by their ids."""

import json
from collections.abc import Callable
from pathlib import Path

from jobs import endings, processes, seen

from sauron_jobs_loader import JobConfig, job_registry

CLOCK = json.loads(Path(__file__).with_name("clock.json").read_text(encoding="utf-8"))
NEVER = "0 8 1 1 *"
PARAMS = {
    "type": "object",
    "properties": {"name": {"type": "string", "default": "you"}, "times": {"type": "integer", "maximum": 5}},
    "required": ["name"],
    "additionalProperties": False,
}


def job(job_id: str, func: Callable = seen.hello, cron: str = NEVER, **fields: object):
    fields.setdefault("max_attempts", 1)
    if "command" not in fields:
        fields["func"] = func
    job_registry.register(JobConfig(id=job_id, cron=cron, **fields))


job("hello", tags=["t"], project="p", description="Says so")
job("greet", seen.greet, params=PARAMS, timezone="Europe/Berlin")
job("counts", seen.counts)
job("speaks", command=["python3", "-c", "print('from a command')"])
job("idle", enabled=False)
job("switched")
job("environ", seen.environ, secrets=[])
job("inherits", seen.environ)
job("secretive", seen.secretive, secrets=["PARITY_TOKEN"])
job("degraded", endings.degraded)
job("says-failed", endings.says_failed)
job("raises", endings.raises)
job("leaves", endings.leaves)
job("flaky", endings.flaky, max_attempts=3, retry_backoff_seconds=1)
job("stuck", processes.family, timeout_seconds=2)
job("long", processes.family, timeout_seconds=600)
job("tail", processes.tail)

job("leads", seen.counts)
job("follows", cron="", after=["leads"])
for place in ("one", "two"):
    job(f"shares-{place}", processes.holds, pool="parity")

job("minutely", cron="* * * * *", overlap="allow")

# What the clock starts: all in one minute that clock.json names, which the suite writes when it begins.
job("on-time", cron=CLOCK["soon"])
job("late", cron=CLOCK["soon"], jitter_minutes=1)
job("off", cron=CLOCK["soon"])
for policy in ("skip", "queue", "replace", "allow"):
    job(f"over-{policy}", processes.holds, cron=CLOCK["soon"], overlap=policy)
for policy in ("none", "latest", "all"):
    job(
        f"catch-{policy}", cron=CLOCK["daily"], catchup=policy, catchup_window_seconds=864000, overlap="queue"
    )
