"""`sauron run`: queue a run, try out what would happen, run here in the foreground, or wait for the end.

`--direct` needs no running Sauron and records nothing. `--wait` follows the run's log, so it needs a runner
that executes it: where none is up, nothing is queued and that is said. A run that was queued stays queued
when this command is interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from chalicelib.errors import SauronError
from chalicelib.model.runs import GOOD

from .client import Client, command, path
from .follow import follow
from .output import facts, say, show, show_json


@command("run")
@click.argument("job_id", metavar="ID")
@click.option(
    "--direct", is_flag=True, help="Run here in the foreground, without the queue and without a record."
)
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option(
    "--wait", is_flag=True, help="Wait for the end and show the log; exit code 1 unless it ended well."
)
@click.option(
    "--param",
    "given",
    multiple=True,
    metavar="K=V",
    help="A parameter; V is read as JSON where it is JSON, else as text.",
)
@click.option("--force", is_flag=True, help="Start beside a run of this job that is under way.")
@click.option("--reason", help="Why; recorded with the run.")
def run_job(
    asked: Client,
    *,
    job_id: str,
    direct: bool,
    dry_run: bool,
    wait: bool,
    given: Sequence[str],
    force: bool,
    reason: str | None,
) -> int:
    """Run a job now: put it into the queue, where a running Sauron takes it at once."""
    if direct and (wait or force or reason):
        raise click.UsageError(
            "--direct runs at once and records nothing: leave --wait, --force and --reason out"
        )
    params = read_params(given)
    if dry_run:
        return _try_out(asked, job_id, params, direct=direct)
    if direct:
        return _run_here(asked, job_id, params)
    asked.synced()
    if wait:
        _expect_a_runner(asked)
    answer = asked.post(
        path("jobs", job_id, "trigger"), {"params": params, "force": force or None, "reason": reason}
    )
    if wait:
        return _wait(asked, answer["queue_id"])
    if asked.json:
        show_json(answer)
        return 0
    show(answer["message"])
    if not asked.get("/status")["runners"]:
        say("No runner is up now; it starts as soon as one is (`sauron serve`).")
    return 0


def read_params(given: Sequence[str]) -> dict[str, Any] | None:
    """Read `k=v` parameters. Raises UsageError for one without a name, or a name given twice."""
    params: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--param {text!r} has no name and value. Write --param name=value")
        if name in params:
            raise click.UsageError(f"--param {name} is given twice")
        params[name] = _value(value)
    return params or None


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)  # JSON has no NaN: that is text
    except ValueError:
        return text


def _expect_a_runner(asked: Client) -> None:
    status = asked.get("/status")
    if not status["runners"]:
        raise SauronError(
            "No runner is up, so waiting would never end. Start one (`sauron serve`), or use --direct."
        )
    if not status["queue"]["claiming"]:
        say("Runs are not started while JOB_QUEUE_ENABLED is 0; waiting until they are.")


def _wait(asked: Client, run_id: str) -> int:
    say(f"Run {run_id} is queued.")
    end = follow(asked, run_id, show_text=not asked.json)
    if asked.json:
        show_json(end)
    else:
        say(f"Run {run_id} {end['state']}." + _why(end))
    return 0 if end["state"] in GOOD else 1


def _why(end: dict[str, Any]) -> str:
    """Say why a run ended so, or what it says of itself."""
    result = end.get("result")
    said = end["error"] or (result.get("summary") if isinstance(result, dict) else None)
    return f" {said}" if said else ""


def _run_here(asked: Client, job_id: str, params: dict[str, Any] | None) -> int:
    asked.only_here("--direct")

    def on_output(part: bytes) -> None:
        stream = sys.stderr if asked.json else sys.stdout
        stream.buffer.write(part)
        stream.flush()

    asked.url = None
    asked.__dict__["remote"] = None  # also when SAURON_URL is set: this runs here
    sauron = asked.synced().sauron()
    verdict = sauron.run_direct(job_id, params=params, on_output=on_output)
    if asked.json:
        names = (
            "outcome",
            "error",
            "error_type",
            "result",
            "exit_code",
            "signal",
            "max_rss_kb",
            "cpu_seconds",
        )
        show_json({"job_id": job_id, **{name: getattr(verdict, name) for name in names}})
    else:
        say(f"{job_id} {verdict.outcome}." + (f" {verdict.error}" if verdict.error else ""))
    return 0 if str(verdict.outcome) in GOOD else 1


def _try_out(asked: Client, job_id: str, params: dict[str, Any] | None, *, direct: bool) -> int:
    job = asked.synced().get(path("jobs", job_id))
    against = _param_faults(job["params_schema"], params)
    if job["removed_at"]:
        against.append("the job left its bundle")
    if not direct and not job["enabled"]:
        against.append(f"the job is off: sauron enable {job_id}")
    if job["rejected"]:
        against.append(f"its newest definition was rejected: {job['rejected']}")
    secrets = job["secrets"]
    environment = (
        "the container's environment without Sauron's own credentials"
        if secrets is None
        else ", ".join(secrets)
    )
    report = {
        "job_id": job_id,
        "would_run": not against,
        "against": against,
        "params": params,
        "entrypoint": job["entrypoint"],
        "revision": job["revision"],
        "enabled": job["enabled"],
        "timeout_seconds": job["timeout_seconds"],
        "max_attempts": 1 if direct else job["max_attempts"],
        "isolation": job["isolation"],
        "secrets": secrets,
    }
    if asked.json:
        show_json(report)
    else:
        where = "here, in the foreground, without a record" if direct else "by a runner, from the queue"
        show(f"{job_id} would {'run' if not against else 'not run'}.")
        facts(
            [
                ("why not", "\n".join(against)),
                ("runs", job["entrypoint"]),
                ("where", where),
                ("revision", (job["revision"] or "")[:12]),
                ("params", json.dumps(params) if params else None),
                ("secrets", environment or "none"),
                ("at most", f"{job['timeout_seconds']} s an attempt; attempts: {report['max_attempts']}"),
            ]
        )
    return 1 if against else 0


def _param_faults(schema: dict[str, Any] | None, params: dict[str, Any] | None) -> list[str]:
    if schema is None:
        return []
    import jsonschema

    validator = jsonschema.validators.validator_for(schema)(schema)
    return [
        f"params{''.join(f'.{part}' for part in fault.absolute_path)}: {fault.message}"
        for fault in validator.iter_errors(params or {})
    ]
