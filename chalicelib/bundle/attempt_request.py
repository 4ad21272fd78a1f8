"""What a run is asked of the loader with: its job's environment and secrets, its identity, its revision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chalicelib.clock import iso
from chalicelib.errors import BundleError
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run
from sauron_jobs_loader.launch.request import AttemptRequest

from .job_environment import JobEnvironment


def secrets_missing(names: Sequence[str]) -> BundleError:
    """Return the error of a job whose required secrets are not set."""
    return BundleError(f"Required secrets are not set: {', '.join(names)}. Set them in Sauron's environment.")


def attempt_request(
    environment: JobEnvironment,
    run: Run,
    spec: JobSpec,
    *,
    sha: str,
    folder: Path,
    python: Path | None,
    zygote_environ: Mapping[str, str],
    closing: Callable[[], str | None] = lambda: None,
) -> AttemptRequest:
    """Return the request for an attempt of a run. Raises BundleError if a required secret is not set."""
    secrets, missing = environment.secrets(spec)
    if missing:
        raise secrets_missing(missing)
    scheduled_for = iso(run.scheduled_for)
    identity = {"SAURON_RUN_ID": run.id, "SAURON_JOB_ID": run.job_id, "SAURON_ATTEMPT": str(run.attempt)}
    identity |= {"SAURON_SCHEDULED_FOR": scheduled_for}
    spawn = environment.spawns(spec)
    environment.learn(str(secret["key"]) for secret in spec.secrets or ())
    return AttemptRequest(
        sha=sha,
        folder=folder,
        python=python,
        job_id=spec.id,
        run_id=run.id,
        attempt=run.attempt,
        scheduled_for=scheduled_for,
        parents=run.parents or {},
        memory_mb=spec.memory_mb,
        max_processes=spec.max_processes,
        params=run.params,
        environ=(environment.of(spec) | identity) if spawn else identity,
        secrets=secrets,
        spawn=spawn,
        zygote_environ=zygote_environ,
        masker=environment.masker(),
        masked_names=environment.masked_names,
        closing=closing,
    )
