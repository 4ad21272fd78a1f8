"""Where the log of a revision's installation lies. Reads folders only; starts nothing."""

from __future__ import annotations

import contextlib

from chalicelib.settings import Settings
from sauron_jobs_loader.errors import LoaderError

from .job_environment import JobEnvironment


def install_log(settings: Settings, environment: JobEnvironment, sha: str | None) -> str | None:
    """Return the file that says how the requirements of a revision were installed, or None if it has none."""
    if sha is None or settings.function:
        return None
    from sauron_jobs_loader.environment.environments import Environments
    from sauron_jobs_loader.git.checkouts import Checkouts

    environments = Environments(
        settings.jobs_dir / "environments",
        environ=environment.installer(),
        variables=environment.zygote(),
        timeout=settings.install_timeout,
    )
    with contextlib.suppress(LoaderError):
        folder = Checkouts(settings.jobs_dir).path(sha)
        file = environments.log_file(folder) if folder else None
        return str(file) if file else None
    return None
