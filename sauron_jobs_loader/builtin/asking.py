"""How a builtin job asks the runner about Sauron. Jobs of other bundles are refused there."""

from typing import Any

from sauron_jobs_loader.context import JobContext


def ask(ctx: JobContext, what: str, value: Any = None) -> Any:
    """Ask for one thing and wait for the answer. Raises StateError with the runner's reason."""
    return ctx._link.ask("sauron", what, value)  # noqa: SLF001 - the context offers this to nobody else
