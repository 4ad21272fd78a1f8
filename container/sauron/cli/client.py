"""Asking Sauron by HTTP: a running one by its address, or the same application in this process.

`Client` holds what the shared options said and opens the connection when a command first asks. In this process
the answer comes through the same gateway as the server's, authorised by a token that never leaves the
process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib.errors import SauronError
from chalicelib.settings import load_environ

from .output import say, waiting

if TYPE_CHECKING:
    import httpx

    from chalicelib.wiring import Sauron

SECONDS = 30.0
SLOW_SECONDS = 900.0  # a sync fetches and loads: its own limits decide
UNPROCESSABLE = 422


class ClientError(SauronError):
    """Sauron refused, or could not be asked. `status` is the HTTP status, None when there was no answer."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)

    @property
    def wrong_use(self) -> bool:
        """Whether what was typed cannot be meant, rather than the thing asked about failing."""
        return self.status == UNPROCESSABLE


@dataclass(frozen=True, slots=True)
class LogPart:
    """A piece of a run's log: its text, the position after it, the run's state, and whether more is there already."""

    text: str
    after: str
    state: str
    more: bool


@dataclass
class Client:
    """What the shared options said, and the connection they lead to."""

    json: bool = False
    url: str | None = None
    token: str | None = None
    _client: httpx.Client | None = field(default=None, repr=False)
    _local: Sauron | None = field(default=None, repr=False)

    @cached_property
    def remote(self) -> str | None:
        """The address of a running Sauron, if one was named."""
        url = self.url or load_environ(Path.cwd()).get("SAURON_URL")
        if url and not url.startswith(("http://", "https://")):
            raise click.UsageError(f"--url {url!r} is no address. Write http://host:port")
        return url.rstrip("/") if url else None

    def get(self, path: str, **query: Any) -> Any:
        """Return a GET's JSON. Parameters that are None are not sent."""
        return self._ask("GET", path, query=query).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, slow: bool = False) -> Any:
        """Return a POST's JSON. Members of the body that are None are not sent."""
        sent = {name: value for name, value in (body or {}).items() if value is not None}
        return self._ask("POST", path, body=sent, seconds=SLOW_SECONDS if slow else SECONDS).json()

    def log(self, run_id: str, after: str) -> LogPart:
        """Return what a run wrote after a position."""
        response = self._ask("GET", f"/runs/{_quoted(run_id)}/log", query={"after": after})
        headers = response.headers
        return LogPart(response.text, headers["x-next-after"], headers["x-run-state"], "x-more" in headers)

    def synced(self) -> Client:
        """Sync first if the store here has no active revision yet and a bundle is configured; a failure is only told."""
        if self.remote:
            return self
        git = self.get("/status")["git_sync_status"]
        if git["current_sha"] is None and git["repo_url"]:
            with waiting("No revision is active yet: syncing the bundle"):
                report = self.post("/sync", slow=True)
            if not report["success"]:
                say(f"The bundle could not be synced: {report['message']}")
        return self

    def sauron(self) -> Sauron:
        """Return this process's own Sauron, for what HTTP has no word for."""
        if self._local is None:
            from chalicelib import wiring

            self._local = wiring.sauron()
        return self._local

    def only_here(self, command: str) -> None:
        """Refuse `--url` where a command works on this machine only."""
        if self.url:
            raise click.UsageError(f"{command} works on this machine only; leave --url out")

    def close(self) -> None:
        """Close the connection, and what was opened in this process."""
        if self._client is not None:
            self._client.close()
        if self._local is not None:
            self._local.close()

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: float = SECONDS,
    ) -> httpx.Response:
        import httpx

        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = self._connection().request(method, path, params=given, json=body, timeout=seconds)
        except httpx.TimeoutException as error:
            raise ClientError(f"{self.remote} did not answer within {seconds:g} s.") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ClientError(
                f"{self.remote} cannot be reached: {error}. Is Sauron running there?"
            ) from error
        if response.is_success:
            return response
        raise ClientError(_why(response, self.remote), status=response.status_code)

    def _connection(self) -> httpx.Client:
        if self._client is None:
            import httpx

            if self.remote:
                token = self.token or load_environ(Path.cwd()).get("SAURON_TOKEN")
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                self._client = httpx.Client(base_url=self.remote, headers=headers)
            else:
                from .local_client import client

                self._client = client(self.sauron(), by=person())
        return self._client


def _why(response: httpx.Response, url: str | None) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{url} answered {response.status_code}, and not as Sauron does. Is the address right?"
    if response.status_code == 401:  # noqa: PLR2004 - HTTP
        return f"{detail} Give it by --token or SAURON_TOKEN."
    if response.status_code == 500 and url is None:  # noqa: PLR2004 - HTTP
        return f"{detail} Set LOG_LEVEL=DEBUG to see them here."
    return str(detail)


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="") or "-"


def path(*parts: str) -> str:
    """Write a path whose parts may hold anything."""
    return "".join(f"/{_quoted(part)}" for part in parts)


def person() -> str:
    """Return who types, as it is noted with what is done."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "cli"


def SHARED() -> list[click.Parameter]:  # noqa: N802 - used like a constant, made anew because click keeps state in them
    """Return the options that the root and every command take."""

    def note(context: click.Context, option: click.Parameter, value: Any) -> None:
        asked = context.ensure_object(Client)
        if value and option.name:
            setattr(asked, option.name, value)

    def option(name: str, metavar: str | None, words: str) -> click.Option:
        return click.Option(
            [f"--{name}", name],
            is_flag=metavar is None,
            metavar=metavar,
            help=words,
            expose_value=False,
            callback=note,
        )

    return [
        option("json", None, "Answer in JSON."),
        option("url", "URL", "A running Sauron to ask (SAURON_URL)."),
        option("token", "TOKEN", "The token for it (SAURON_TOKEN)."),
    ]


def command(name: str, **more: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command that takes the shared options and is handed what they said first."""

    def declare(function: Callable[..., Any]) -> click.Command:
        handed: Callable[..., Any] = click.pass_obj(function)
        made: click.Command = click.command(name, **more)(handed)  # type: ignore[no-untyped-call] # click's overloads
        made.params.extend(SHARED())
        return made

    return declare
