"""The client of the HTTP API: of a running Sauron by its address, or of the application in this process.

`Client` holds the shared options and connects at the first request. In this process requests go through the
same gateway as the server's, authorised by a token that never leaves the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chalicelib import logs
from chalicelib.errors import SauronError
from sauron_jobs_loader.masking import credentials_in

from . import address
from .output import say, waiting

if TYPE_CHECKING:
    import ssl

    import httpx

    from chalicelib.wiring import Sauron

SECONDS = 30.0
SLOW_SECONDS = 900.0  # longer than a sync's own limits, which end it
UNPROCESSABLE = 422


class ClientError(SauronError):
    """A request was refused or got no response. `status` is the HTTP status, None without a response."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)

    @property
    def wrong_use(self) -> bool:
        """Whether the command's arguments were invalid (exit code 2), and not the act itself (1)."""
        return self.status == UNPROCESSABLE


@dataclass(frozen=True, slots=True)
class LogPart:
    """A piece of a run's log, the position after it, the run's state, and whether more is stored already."""

    text: str
    after: str
    state: str
    more: bool


class _Members(dict[str, Any]):
    """The members of an answer's object; a missing one says that the answer is not Sauron's."""

    def __init__(self, found: dict[str, Any], missing: ClientError) -> None:
        super().__init__(found)
        self._missing = missing

    def __missing__(self, name: str) -> Any:
        raise self._missing


@dataclass
class Client:
    """The values of the shared options, and the connection they lead to."""

    json: bool = False
    url: str | None = None
    token: str | None = None
    _client: httpx.Client | None = field(default=None, repr=False)
    _local: Sauron | None = field(default=None, repr=False)

    @cached_property
    def remote(self) -> address.Remote | None:
        """The running Sauron, if one was named."""
        return address.find(self.url, self.token, Path.cwd(), os.environ)

    def get(self, path: str, **query: Any) -> Any:
        """Return a GET's JSON. Parameters that are None are not sent."""
        return self._json(self._request("GET", path, query=query))

    def get_within(self, seconds: float, path: str, **query: Any) -> Any:
        """Return a GET's JSON, as `get`, but wait no longer for any part of it."""
        return self._json(self._request("GET", path, query=query, seconds=seconds))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, slow: bool = False) -> Any:
        """Return a POST's JSON. Members of the body that are None are not sent."""
        sent = {name: value for name, value in (body or {}).items() if value is not None}
        return self._json(self._request("POST", path, body=sent, seconds=SLOW_SECONDS if slow else SECONDS))

    def log(self, run_id: str, after: str) -> LogPart:
        """Return a run's log after a position."""
        response = self._request("GET", f"/runs/{_quoted(run_id)}/log", query={"after": after})
        headers = response.headers
        if not {"x-next-after", "x-run-state"} <= headers.keys():
            raise self._stranger(response.status_code)
        return LogPart(response.text, headers["x-next-after"], headers["x-run-state"], "x-more" in headers)

    def ensure_synced(self) -> Client:
        """Sync if a bundle is configured and the local store has no active revision; print a failure."""
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
        """Return the Sauron of this process, for acts that the HTTP API does not have."""
        if self._local is None:
            from chalicelib.store import permissions
            from chalicelib.wiring import PROCESS

            settings = PROCESS.settings()
            for place in (sqlite_path(settings.store_url), settings.jobs_dir):
                if place and (warning := permissions.strangers(place, uid=os.geteuid())):
                    say(warning)
                    break
            self._local = PROCESS.get()
        return self._local

    def local_only(self, command: str) -> None:
        """Raise UsageError if `--url` is given to a command that works on this machine only."""
        if self.url:
            raise click.UsageError(f"{command} works on this machine only; leave --url out")

    def close(self) -> None:
        """Close the connection and this process's Sauron."""
        if self._client is not None:
            self._client.close()
        if self._local is not None:
            self._local.close()

    def _request(
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
            raise ClientError(f"{self._shown} did not answer within {seconds:g} s.") from error
        except httpx.DecodingError as error:
            raise self._stranger() from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ClientError(
                f"{self._shown} cannot be reached: {error}. Is Sauron running there?"
            ) from error
        if response.is_success:
            return response
        raise ClientError(self._reason(response), status=response.status_code)

    @property
    def _shown(self) -> str:
        return self.remote.shown if self.remote else "this process"

    def _json(self, response: httpx.Response) -> Any:
        """Return an answer's JSON. Raises ClientError if it is not Sauron's; so does a missing member."""

        def members(found: dict[str, Any]) -> _Members:
            return _Members(found, self._stranger(response.status_code))

        try:
            found = response.json(object_hook=members)
        except ValueError as error:
            raise self._stranger(response.status_code) from error
        if not isinstance(found, _Members):
            raise self._stranger(response.status_code)
        return found

    def _reason(self, response: httpx.Response) -> str:
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = None
        if not isinstance(detail, str):
            return str(self._stranger(response.status_code))
        if response.status_code == 401:  # noqa: PLR2004 - HTTP
            return f"{detail} Give it by --token or SAURON_TOKEN."
        if response.status_code == 500 and self.remote is None:  # noqa: PLR2004 - HTTP
            return f"{detail} Set LOG_LEVEL=DEBUG to see the log here."
        return detail

    def _stranger(self, status: int | None = None) -> ClientError:
        answered = "answered" if status is None else f"answered {status}"
        return ClientError(f"{self._shown} {answered}, but not as Sauron does. Is the address right?")

    def _connection(self) -> httpx.Client:
        if self._client is None:
            import httpx

            if self.remote:
                token = self.remote.token
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                self._client = httpx.Client(
                    base_url=self.remote.url, headers=headers, verify=_tls(self.remote.url)
                )
            else:
                from .local_client import client

                self._client = client(self.sauron(), by=user_name())
        return self._client


def _tls(url: str) -> ssl.SSLContext | bool:
    """Return how a server is verified. Plain HTTP needs no roots, and reading them takes time."""
    import ssl

    return True if url.lower().startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite store, None for a database server."""
    from sqlalchemy.engine import make_url

    from chalicelib.store.permissions import real_path

    parsed = make_url(url)
    return real_path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="") or "-"


def path(*parts: str) -> str:
    """Return the path of these parts, quoted."""
    return "".join(f"/{_quoted(part)}" for part in parts)


def user_name() -> str:
    """Return the user's name, which is recorded with the acts of this command line."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "cli"


def shared_options() -> list[click.Parameter]:
    """Return new instances of the options that the root and every command take."""

    def store_value(context: click.Context, option: click.Parameter, value: Any) -> None:
        client = context.ensure_object(Client)
        if value and option.name:
            setattr(client, option.name, value)
            if option.name == "token":
                logs.add_secrets([value])
            elif option.name == "url":
                logs.add_secrets(credentials_in(value))

    def option(name: str, metavar: str | None, words: str) -> click.Option:
        return click.Option(
            [f"--{name}", name],
            is_flag=metavar is None,
            metavar=metavar,
            help=words,
            expose_value=False,
            callback=store_value,
        )

    return [
        option("json", None, "Print JSON."),
        option("url", "URL", "Use the running Sauron at this address (or set SAURON_URL)."),
        option("token", "TOKEN", "Its API token (or set SAURON_TOKEN)."),
    ]


def command(name: str, **more: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command that takes the shared options; its first argument is the Client."""

    def declare(function: Callable[..., Any]) -> click.Command:
        handed: Callable[..., Any] = click.pass_obj(function)
        made: click.Command = click.command(name, **more)(handed)  # type: ignore[no-untyped-call] # click's overloads
        made.params.extend(shared_options())
        return made

    return declare
