"""The requests of builtin jobs to the runner, which refuses them from jobs of other bundles."""

from typing import Any

from sauron_jobs_loader.context import JobContext


def ask(ctx: JobContext, what: str, value: Any = None) -> Any:
    """Send one request and return the reply. Raises StateError with the runner's reason."""
    return ctx._link.ask("sauron", what, value)  # noqa: SLF001 - for builtin jobs alone
