"""`sauron run`: queue a run, preview it, run it in the foreground, or wait for its end.

`--direct` needs no running Sauron and records nothing. `--wait` follows the run's log and needs a runner:
without one nothing is queued and the command fails. A queued run stays queued when this command is
interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib.errors import ParamsError, SauronError
from chalicelib.model.params import faults
from chalicelib.model.runs import GOOD

from .client import Client, command, path
from .completion import job_ids
from .examples import examples
from .follow import follow
from .job_output import RAW_HELP, JobOutput
from .output import facts, say, show, show_json, waiting
from .params import pairs, typed

if TYPE_CHECKING:
    from chalicelib.operations.direct import DirectRuns

# what a direct run prints of its verdict as JSON
VERDICT = ("outcome", "error", "error_type", "result", "exit_code", "signal", "max_rss_kb", "cpu_seconds")


@command(
    "run",
    epilog=examples("sauron run pg-backup --wait", "sauron run export --direct --from . --param n=5"),
)
@click.argument("job_id", metavar="ID", shell_complete=job_ids)
@click.option("--direct", is_flag=True, help="Run in the foreground, without the queue and without a record.")
@click.option(
    "--from",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --direct: run the job of this folder as it lies, committed or not. No store is used.",
)
@click.option("--dry-run", is_flag=True, help="Show what would happen; change nothing.")
@click.option(
    "--wait", is_flag=True, help="Print the log and wait for the end. Exit code 1 if the run fails."
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="K=V",
    help="A parameter. V is read by the type that the job declares; without one it is JSON if it parses "
    "as JSON, otherwise text. May be repeated.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Start also while another run of this job is running, or everything is paused.",
)
@click.option("--no-chain", is_flag=True, help="Do not run the jobs that follow this one after it.")
@click.option("--reason", help="Why; recorded with the run.")
@click.option("--raw", is_flag=True, help=RAW_HELP)
def run_job(
    client: Client,
    *,
    job_id: str,
    direct: bool,
    folder: Path | None,
    dry_run: bool,
    wait: bool,
    parameters: Sequence[str],
    force: bool,
    no_chain: bool,
    reason: str | None,
    raw: bool,
) -> int:
    """Run a job now. The run is queued, and a running Sauron starts it at once."""
    queued = force or no_chain or reason
    _refuse_options(direct=direct, folder=folder, dry_run=dry_run, wait=wait, raw=raw, queued=queued)
    texts = pairs(parameters)
    if dry_run:
        return _dry_run(client, job_id, texts, direct=direct)
    if folder is not None:
        return _run_folder(client, folder, job_id, texts, raw=raw)
    if direct:
        return _run_direct(client, job_id, texts, raw=raw)
    client.ensure_synced()
    params = _read(client, job_id, texts)
    if wait:
        _require_runner(client)
    # read before anything is queued: what fails afterwards would look like a run that is not queued
    job = {} if wait or client.json else client.get(path("jobs", job_id))
    wanted = {"params": params, "force": force or None, "chain": False if no_chain else None}
    answer = client.post(path("jobs", job_id, "trigger"), wanted | {"reason": reason})
    if wait:
        return _wait(client, answer["queue_id"], raw=raw)
    if client.json:
        show_json(answer)
        return 0
    show(answer["message"])
    facts([*_standing(job), ("at most", _limit(job, job["max_attempts"]))])
    if not client.get("/status")["runners"]:
        say("No runner is up. The run starts when one is: `sauron serve`.")
    return 0


def _refuse_options(
    *, direct: bool, folder: Path | None, dry_run: bool, wait: bool, raw: bool, queued: bool | str | None
) -> None:
    """Raise UsageError for options that do not go together; `queued` are those of a run in the queue."""
    if direct and (wait or queued):
        raise click.UsageError(
            "--direct does not use the queue and records nothing: "
            "leave --wait, --force, --no-chain and --reason out"
        )
    if raw and (dry_run or not (direct or wait)):
        raise click.UsageError("--raw is about the log: it goes with --wait or --direct")
    if folder is not None and (dry_run or not direct):
        raise click.UsageError("--from goes with --direct, and without --dry-run: it runs what lies there")


def _read(client: Client, job_id: str, texts: dict[str, str]) -> dict[str, Any] | None:
    """Read the params as the job declares them. A job that is not known is refused when it is run."""
    return typed(texts, client.get(path("jobs", job_id))["params_schema"]) if texts else None


def _require_runner(client: Client) -> None:
    status = client.get("/status")
    if not status["runners"]:
        raise SauronError(
            "No runner is up, so the run would not start. Start one (`sauron serve`), or use --direct."
        )
    if not status["queue"]["claiming"]:
        say("No run starts while JOB_QUEUE_ENABLED is 0. Waiting until it is 1.")


def _wait(client: Client, run_id: str, *, raw: bool) -> int:
    say(f"Run {run_id} is queued.")
    end = follow(client, run_id, show_text=not client.json, raw=raw)
    if client.json:
        show_json(end)
    else:
        say(f"Run {run_id} {end['state']}." + _summary(end))
    return 0 if end["state"] in GOOD else 1


def _summary(end: dict[str, Any]) -> str:
    """Return a run's error, or the summary in its result."""
    result = end.get("result")
    text = end["error"] or (result.get("summary") if isinstance(result, dict) else None)
    return f" {text}" if text else ""


def _run_direct(client: Client, job_id: str, texts: dict[str, str], *, raw: bool) -> int:
    client.local_only("--direct")
    client.url = None
    client.__dict__["remote"] = None  # a direct run is local, also if SAURON_URL is set
    sauron = client.ensure_synced().sauron()
    return _direct(client, sauron.direct_runs, job_id, _read(client, job_id, texts), raw=raw)


def _run_folder(client: Client, folder: Path, job_id: str, texts: dict[str, str], *, raw: bool) -> int:
    client.local_only("--direct")
    from chalicelib.bundle.working_tree import WorkingTree
    from chalicelib.clock import SystemClock
    from chalicelib.operations.direct import DirectRuns
    from chalicelib.settings import Settings

    clock = SystemClock()
    with waiting("Loading the bundle"):
        tree = WorkingTree(folder.absolute(), Settings.load(Path.cwd()), now=clock.now)
    try:
        params = typed(texts, tree.find(job_id).spec.params_schema)
        runs = DirectRuns(tree.find, clock, tree, tree.job_state, ask_model=tree.params_faults)
        return _direct(client, runs, job_id, params, raw=raw)
    finally:
        tree.close()


def _direct(
    client: Client, runs: DirectRuns, job_id: str, params: dict[str, Any] | None, *, raw: bool
) -> int:
    output = JobOutput(sys.stderr if client.json else sys.stdout, raw=raw)
    try:
        verdict = runs.run(job_id, params=params, on_output=output.write_bytes)
    finally:
        output.end()
    if client.json:
        show_json({"job_id": job_id, **{name: getattr(verdict, name) for name in VERDICT}})
    else:
        say(f"{job_id} {verdict.outcome}." + (f" {verdict.error}" if verdict.error else ""))
    return 0 if str(verdict.outcome) in GOOD else 1


def _params_faults(
    client: Client, job_id: str, schema: dict[str, Any], params: dict[str, Any] | None
) -> list[str]:
    """Return what a trigger would refuse. A model is asked itself, but not that of a Sauron elsewhere."""
    if client.remote is not None:
        return faults(schema, params, of_model=True)
    from chalicelib.operations.requests import check_params, find_job

    sauron = client.sauron()
    with sauron.store.read() as tx:
        job = find_job(tx, job_id)
    try:
        check_params(job, params, ask_model=sauron.revisions.params_faults)
    except ParamsError as error:
        return list(error.faults)
    return []


def _dry_run(client: Client, job_id: str, texts: dict[str, str], *, direct: bool) -> int:
    job = client.ensure_synced().get(path("jobs", job_id))
    schema = job["params_schema"]
    params = typed(texts, schema)
    reasons = [] if schema is None else _params_faults(client, job_id, schema, params)
    if not direct and not job["enabled"]:
        reasons.append(f"the job is disabled: sauron enable {job_id}")
    if job["rejected"]:
        reasons.append(f"its newest definition was rejected: {job['rejected']}")
    secrets = job["secrets"]
    environment = (
        "the container's environment without Sauron's own credentials"
        if secrets is None
        else ", ".join(secrets)
    )
    report = {
        "job_id": job_id,
        "would_run": not reasons,
        "reasons": reasons,
        "against": reasons,  # the key's name in 3.0
        "params": params,
        "entrypoint": job["entrypoint"],
        "revision": job["revision"],
        "enabled": job["enabled"],
        "timeout_seconds": job["timeout_seconds"],
        "max_attempts": 1 if direct else job["max_attempts"],
        "isolation": job["isolation"],
        "secrets": secrets,
    }
    if client.json:
        show_json(report)
    else:
        where = "in the foreground, without a record" if direct else "by a runner, from the queue"
        show(f"{job_id} would {'run' if not reasons else 'not run'}.")
        facts(
            [
                ("why not", "\n".join(reasons)),
                *_standing(job),
                ("runs", job["entrypoint"]),
                ("where", where),
                ("revision", (job["revision"] or "")[:12]),
                ("params", json.dumps(params) if params else None),
                ("secrets", environment or "none"),
                ("at most", _limit(job, report["max_attempts"])),
            ]
        )
    return 1 if reasons else 0


def _standing(job: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [("cron", job["cron"]), ("enabled", "yes" if job["enabled"] else "no")]


def _limit(job: dict[str, Any], attempts: int) -> str:
    return f"{job['timeout_seconds']} s an attempt; attempts: {attempts}"
