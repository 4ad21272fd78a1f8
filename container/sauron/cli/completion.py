"""Completion in a shell: the script for it, and the ids and names that it offers.

An offer is bounded in time and number, changes nothing, and is empty where anything goes wrong: nobody wants
an error, a wait or a new store from pressing the Tab key.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from .client import Client, command, sqlite_path
from .examples import examples
from .output import show, show_json

if TYPE_CHECKING:
    from chalicelib.store.database import Tx

SECONDS = 2.0
MOST_JOBS = 1000
MOST_RUNS = 50  # the newest, of revisions too
SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_SAURON_COMPLETE"


@command("completion", epilog=examples("sauron completion bash", "sauron completion fish --json"))
@click.argument("shell", metavar="|".join(SHELLS), type=click.Choice(SHELLS))
def completion(client: Client, *, shell: str) -> None:
    """Print the completion script of a shell. It completes ids of jobs and runs too.

    For bash add this line to ~/.bashrc, for zsh with its name to ~/.zshrc: eval "$(sauron completion bash)".
    For fish write it to ~/.config/fish/completions/sauron.fish.
    """
    kind = get_completion_class(shell)
    if kind is None:  # the choice has none but these
        raise click.UsageError(f"{shell} is not known")
    maker = kind(click.get_current_context().find_root().command, {}, "sauron", _VARIABLE)
    script = (maker.source_template % maker.source_vars()).strip()
    if client.json:
        show_json({"shell": shell, "script": script})
    else:
        show(script)


def job_ids(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the ids of jobs that begin so."""

    def remote(client: Client) -> list[CompletionItem]:
        jobs = client.get_within(SECONDS, "/jobs")["jobs"]
        return [CompletionItem(job["id"], help=job["schedule_text"]) for job in jobs]

    def local(tx: Tx) -> list[CompletionItem]:
        from chalicelib.store import registry

        return [CompletionItem(job_id) for job_id in registry.ids(tx, most=MOST_JOBS)]

    return _offer(context, begun, remote, local)


def run_ids(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the ids of the newest runs that begin so."""

    def item(run: str, job_id: str, state: str) -> CompletionItem:
        return CompletionItem(run, help=f"{job_id}, {state}")

    def remote(client: Client) -> list[CompletionItem]:
        found = client.get_within(SECONDS, "/runs", limit=MOST_RUNS)["runs"]
        return [item(run["id"], run["job_id"], run["state"]) for run in found]

    def local(tx: Tx) -> list[CompletionItem]:
        from chalicelib.store import history

        return [item(run.id, run.job_id, run.state) for run in history.runs(tx, limit=MOST_RUNS)]

    return _offer(context, begun, remote, local)


def revisions(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the newest revisions that were in force and begin so; a running Sauron lists none."""

    def local(tx: Tx) -> list[CompletionItem]:
        from chalicelib.store import bundle

        found = bundle.past_revisions(tx, limit=MOST_RUNS)
        return [CompletionItem(one.sha[:12], help=one.subject) for one in found]

    return _offer(context, begun, lambda _client: [], local)


def runners(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names of the runners there are that begin so."""

    def remote(client: Client) -> list[CompletionItem]:
        return [CompletionItem(one["name"]) for one in client.get_within(SECONDS, "/status")["runners"]]

    def local(tx: Tx) -> list[CompletionItem]:
        from chalicelib.store import runners as known

        return [CompletionItem(one.name) for one in known.all_runners(tx)]

    return _offer(context, begun, remote, local)


def _offer(
    context: click.Context,
    begun: str,
    remote: Callable[[Client], list[CompletionItem]],
    local: Callable[[Tx], list[CompletionItem]],
) -> list[CompletionItem]:
    """Return what begins so, of a running Sauron if one is named, else of the store of this machine."""
    try:
        client = context.ensure_object(Client)
        found = _of_sauron(client, remote) if client.remote else _of_store(local)
    except Exception:  # noqa: BLE001 - whatever it is, completion stays silent
        return []
    return [item for item in found if item.value.startswith(begun)]


def _of_sauron(client: Client, ask: Callable[[Client], list[CompletionItem]]) -> list[CompletionItem]:
    """Ask a running Sauron."""
    import httpx  # noqa: F401 - its import is not counted: a busy machine takes long for it

    with _time_limit():
        return ask(client)


def _of_store(read: Callable[[Tx], list[CompletionItem]]) -> list[CompletionItem]:
    """Read from the store that is there. None is made, and none is brought to a newer schema."""
    from chalicelib.settings import Settings

    settings = Settings.load(Path.cwd())
    file = sqlite_path(settings.store_url)
    if file is not None and not file.is_file():
        return []
    from chalicelib.store import Store, bundle, history, registry, runners  # noqa: F401 - imports are not counted, as above

    with _time_limit():
        store = Store(settings.store_url, ca=settings.db_ca)
        try:
            with store.read() as tx:
                return read(tx)
        finally:
            store.close()


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Raise TimeoutError in the block if it takes longer than `SECONDS`."""

    def ring(*_signal: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)
