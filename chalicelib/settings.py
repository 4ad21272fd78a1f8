"""What the operator may set, read from environment variables (and `.env`), all faults reported at once.

`SETTINGS` is the one table: it validates, it documents (README, `.env.example` and docker-compose are tested
against it) and it says which values are secrets. Empty means unset. For every secret `NAME_FILE` may name a
file that holds the value. Nothing is read at import, and a `Settings` never changes.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import difflib
import functools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sauron_jobs_loader.masking import Masker

from .errors import SettingsError

TOKEN_CHARS = 8  # a shorter token is guessed
USERINFO = re.compile(r"(?<=://)[^/@\s]*@")  # what opens an address is in no message
WEBHOOK_KEY_BYTES = 16  # a shorter one is guessed
SCOPES = ("read", "trigger", "operate", "admin")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token: who it belongs to and the highest scope it reaches (read < trigger < operate < admin)."""

    name: str
    scope: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: an environment variable, where it goes, how it is read and what it means."""

    name: str
    attribute: str
    default: str | None
    read: Callable[[str], Any]
    help: str
    secret: bool = False
    aliases: tuple[str, ...] = ()


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return number

    return read


def _seconds(low: int, high: int) -> Callable[[str], timedelta]:
    whole = _whole(low, high)
    return lambda value: timedelta(seconds=whole(value))


def _days(value: str) -> timedelta:
    return timedelta(days=_whole(1, 36500)(value))


def _switch(value: str) -> bool:
    lowered = value.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("write 1 or 0")


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        near = difflib.get_close_matches(value.lower(), [choice.lower() for choice in choices], n=1)
        raise ValueError(
            f"write one of {', '.join(choices)}" + (f" (did you mean {near[0]}?)" if near else "")
        )

    return read


def _store_url(value: str) -> str:
    if value.startswith("postgres://"):
        value = "postgresql://" + value.removeprefix("postgres://")
    if value.startswith("postgresql://"):
        value = "postgresql+psycopg://" + value.removeprefix("postgresql://")
    if value.startswith("postgresql+psycopg://"):
        return _server_url(value)
    if value.startswith("sqlite:///"):
        return value
    raise ValueError(
        "write sqlite:////absolute/path.sqlite3 or postgresql://user:password@host:5432/database"
    )


def _server_url(value: str) -> str:
    """Refuse an address whose password would be taken for something else, and so be shown."""
    authority, _, path = value.partition("://")[2].partition("?")[0].partition("/")
    if authority.count("@") > 1 or "@" in path:
        raise ValueError("in user and password write %40 for @, %2F for / and %3A for :")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "its host or port is none; write postgresql://user:password@host:5432/database"
        ) from None
    if {"password", "sslpassword"} & parse_qs(parts.query, keep_blank_values=True).keys():
        raise ValueError(
            "write the password before the host, not among the parameters: postgresql://user:password@host/database?..."
        )
    return value


def _life_hub_url(value: str) -> str:
    if not value.startswith(("postgres://", "postgresql://", "postgresql+psycopg://")):
        raise ValueError(
            "Life Hub is a PostgreSQL database: write postgresql://user:password@host:5432/database"
        )
    return _store_url(value)


def _addresses(value: str) -> str:
    for one in value.split(","):
        if not re.search(r"[^@\s]@[^@\s]", one):
            raise ValueError(
                f"{one.strip()!r} is no mail address; write for example ops@example.org (several with commas between)"
            )
    return value


def _base64(value: str) -> bytes:
    try:
        key = base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error:
        key = b""
    if b"PRIVATE KEY" not in key:
        raise ValueError("write the private key in base64: base64 -w0 < ~/.ssh/id_ed25519")
    return key


def _tokens(value: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    for number, entry in enumerate(filter(None, (part.strip() for part in value.split(","))), start=1):
        name, scope, secret = (*entry.split(":", 2), "", "")[:3]
        if (
            not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name)
            or scope not in SCOPES
            or len(secret) < TOKEN_CHARS
        ):
            raise ValueError(
                f"entry {number} is not name:scope:token; write for example jarvis:operate:<at least 8 characters>, "
                f"with a scope of {', '.join(SCOPES)}"
            )
        if any(known.value == secret for known in tokens):
            raise ValueError(
                f"entry {number} repeats the token of another entry; give every user a token of its own"
            )
        tokens.append(Token(name, scope, secret))
    return tuple(tokens)


def _http_url(value: str) -> str:
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError("write an address that starts with https:// (or http://)")
    return value


def _ssm_path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+/?", value):
        raise ValueError("write a path of SSM parameters such as /sauron/prod")
    return value


def _webhook_secret(value: str) -> bytes:
    """Read a secret of the Standard Webhooks form: whsec_ and at least 16 bytes in base64."""
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < WEBHOOK_KEY_BYTES:
        raise ValueError(
            "write whsec_ and 24 to 64 random bytes in base64: echo whsec_$(head -c 32 /dev/urandom | base64)"
        )
    return key


def _row(name: str, default: str | None, read: Callable[[str], Any], help_: str, **more: Any) -> Setting:
    attribute = more.pop("attribute", None) or name.removeprefix("SAURON_").lower()
    return Setting(name, attribute, default, read, help_, **more)


SETTINGS: tuple[Setting, ...] = (
    _row("JOB_QUEUE_DB_URL", None, _store_url, "The store: sqlite:////path or postgresql://. Unset: .sauron/sauron.sqlite3", secret=True, attribute="store_url"),
    _row("DATABASE_URL", None, _life_hub_url, "Life Hub's PostgreSQL, where runs are copied to. Unset: no copy", secret=True, attribute="life_hub_url", aliases=("LIFE_HUB_DB_URL",)),
    _row("JOBS_GIT_REPO_URL", None, _text, "The bundle: https://, ssh://, git@host:path, file:// or a local path. Unset: builtin jobs only"),
    _row("JOBS_GIT_TOKEN", None, _text, "Token for an https bundle", secret=True),
    _row("JOBS_GIT_BRANCH", "main", _text, "Branch of the bundle that is followed"),
    _row("JOBS_DIR", ".sauron/jobs", _path, "Where the bundle's mirror and revisions are kept"),
    _row("JOBS_REFRESH_INTERVAL_SECONDS", "300", _seconds(0, 86400), "How often the bundle is synced; 0 = only when asked", attribute="refresh_interval"),
    _row("JOB_SCHEDULER_NAME", "sauron", _text, "This scheduler's name in Life Hub and messages", attribute="scheduler_name"),
    _row("JOB_QUEUE_ENABLED", "1", _switch, "0 stops claiming runs; everything else goes on", attribute="queue_enabled"),
    _row("SSH_PRIVATE_KEY_B64", None, _base64, "Private key in base64, for an ssh bundle and for jobs that use ssh", secret=True),
    _row("SAURON_SSH_KEY_PATH", None, _path, "File of the private key, when there is one already (the container's entrypoint sets it)"),
    _row("SAURON_SSH_KNOWN_HOSTS", None, _text, "Known host keys: a file, or the lines themselves"),
    _row("GITHUB_TOKEN", None, _text, "For jobs that talk to GitHub", secret=True),
    _row("AWS_SES_ACCESS_KEY_ID", None, _text, "SES credentials for mail", secret=True),
    _row("AWS_SES_SECRET_ACCESS_KEY", None, _text, "SES credentials for mail", secret=True),
    _row("AWS_SES_REGION", "us-east-1", _text, "SES region"),
    _row("NOTIFY_EMAIL", None, _addresses, "Default recipient of mail from jobs"),
    _row("DIGEST_EMAIL", None, _addresses, "Recipient of digests"),
    _row("ALERT_EMAIL", None, _addresses, "Recipient of alerts"),
    _row("FROM_EMAIL", None, _addresses, "Sender of mail"),
    _row("API_HOST", "127.0.0.1", _text, "Address the API listens on (0.0.0.0 in the image)"),
    _row("API_PORT", "8080", _whole(0, 65535), "Port the API listens on; 0 picks a free one"),
    _row("LOG_LEVEL", "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "How much Sauron says"),
    _row("SAURON_API_TOKENS", None, _tokens, "name:scope:token, comma-separated; scopes read < trigger < operate < admin. Unset: the API is open", secret=True),
    _row("SAURON_WORKERS", "8", _whole(1, 256), "Attempts that run at once"),
    _row("SAURON_JOB_ENV", "compatible", _one_of("compatible", "declared"), "declared = jobs get their declared secrets and nothing else of the environment"),
    _row("SAURON_KILL_GRACE_SECONDS", "5", _seconds(0, 300), "Between TERM and KILL of an attempt's processes", attribute="kill_grace"),
    _row("SAURON_DRAIN_SECONDS", "25", _seconds(0, 3600), "How long a stopping runner lets started attempts finish", attribute="drain"),
    _row("SAURON_LOAD_TIMEOUT_SECONDS", "60", _seconds(1, 600), "How long a bundle's manifest may take to load", attribute="load_timeout"),
    _row("SAURON_GIT_TIMEOUT_SECONDS", "120", _seconds(1, 3600), "How long a fetch may take", attribute="git_timeout"),
    _row("SAURON_INSTALL_TIMEOUT_SECONDS", "600", _seconds(1, 7200), "How long installing a bundle's requirements.txt may take", attribute="install_timeout"),
    _row("SAURON_KEEP_RUNS_DAYS", "90", _days, "Runs older than this are pruned", attribute="keep_runs"),
    _row("SAURON_KEEP_LOGS_DAYS", "30", _days, "Logs older than this are pruned", attribute="keep_logs"),
    _row("SAURON_KEEP_RUNS_PER_JOB", "1000", _whole(10, 1_000_000), "Finished runs kept per job"),
    _row("SAURON_BACKUP_DIR", None, _path, "Where the daily copies of an SQLite store go. Unset: backups beside the store"),
    _row("SAURON_KEEP_BACKUPS", "7", _whole(1, 1000), "How many of these copies are kept"),
    _row("SAURON_DISK_LOW_MB", "500", _whole(0, 10_000_000), "Less free space than this where the store lies is told to people; 0 = never"),
    _row("SAURON_PUBLIC_URL", None, _http_url, "Where people reach this Sauron, for the links in alerts. Unset: API_HOST and API_PORT"),
    _row("SAURON_HEARTBEAT_URL", None, _http_url, "Pinged every minute while all is well (dead-man's switch)", secret=True),
    _row("SAURON_ALERT_WEBHOOK_URL", None, _http_url, "Where alerts are posted as signed JSON", secret=True),
    _row("SAURON_ALERT_WEBHOOK_SECRET", None, _webhook_secret, "Signing secret of the webhook (whsec_...)", secret=True),
    _row("SAURON_SQS_QUEUE_URL", None, _http_url, "The SQS queue runs are dispatched on, on AWS. Unset: runners look for themselves"),
    _row("SAURON_SSM_PATH", None, _ssm_path, "Path of SSM parameters that stand for variables, on AWS: /sauron/prod/JOBS_GIT_TOKEN"),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """All settings, read and checked. Attributes are those named in `SETTINGS`."""

    values: Mapping[str, Any] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    # every secret and what it holds, for masking
    secret_values: tuple[str, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Read every setting from `environ`. Raises SettingsError with all faults at once; no secret's value is in it."""
        values: dict[str, Any] = {}
        faults: list[str] = []
        secrets: set[str] = set()
        for setting in SETTINGS:
            try:
                name, raw = _raw(setting, environ)
            except ValueError as error:
                faults.append(str(error))
                continue
            if raw is None:
                values[setting.attribute] = None
                continue
            try:
                values[setting.attribute] = setting.read(raw)
                if setting.secret:
                    secrets.update(within(raw, values[setting.attribute]))
            except ValueError as error:
                shown = "" if setting.secret else f"={USERINFO.sub('***@', raw)!r}"
                faults.append(f"{name}{shown}: {error}")
        if faults:
            raise SettingsError(faults)
        if values["store_url"] is None:
            values["store_url"] = f"sqlite:///{Path('.sauron/sauron.sqlite3').absolute()}"
        secrets.update(token.value for token in values["api_tokens"] or ())
        return cls(
            values, dict(environ), tuple(sorted(secrets, key=len, reverse=True)), tuple(_unknown(environ))
        )

    @property
    def function(self) -> str | None:
        """The name of the Lambda function this process is, None elsewhere."""
        return self.environ.get("AWS_LAMBDA_FUNCTION_NAME")

    def masked(self, text: str) -> str:
        """Return a text with the values of secret settings blotted out."""
        return _masker(self.secret_values).text(text)


@functools.lru_cache(maxsize=4)
def _masker(secrets: tuple[str, ...]) -> Masker:
    return Masker(secrets)


def within(raw: str, value: Any = None) -> set[str]:
    """Return a secret as it was given and what it holds: the password of an address, the key that was given in base64."""
    found = {raw}
    if "://" in raw:
        parts = urlsplit(raw)
        if parts.password and parts.password != parts.username:
            found |= {parts.password, unquote(parts.password)}
    if isinstance(value, bytes):
        found.add(value.decode("utf-8", "replace"))
    return found


def _raw(setting: Setting, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Find a setting's text: the variable, its alias, or (for secrets) the file that NAME_FILE names."""
    for name in (setting.name, *setting.aliases):
        if value := environ.get(name, "").strip():
            return name, value
        if setting.secret and (file := environ.get(f"{name}_FILE", "").strip()):
            try:
                text = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not text"
                raise ValueError(
                    f"{name}_FILE={file!r} cannot be read ({reason}); name a readable file"
                ) from None
            return f"{name}_FILE", text or setting.default
    return setting.name, setting.default


def given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the text of every setting that is not at its default, by its own name, whichever alias or file it came from."""
    found = {}
    for setting in SETTINGS:
        with contextlib.suppress(ValueError):  # a file that cannot be read is `Settings.read`'s to report
            _, raw = _raw(setting, environ)
            if raw is not None and raw != setting.default:
                found[setting.name] = raw
    return found


def _unknown(environ: Mapping[str, str]) -> list[str]:
    """Name variables that start with SAURON_ and mean nothing: a typo there would be silent."""
    known = {s.name for s in SETTINGS} | {f"{s.name}_FILE" for s in SETTINGS if s.secret}
    known |= {"SAURON_URL", "SAURON_TOKEN"}  # the command line's own
    # a job that calls Sauron
    known |= {"SAURON_RUN_ID", "SAURON_JOB_ID", "SAURON_ATTEMPT", "SAURON_SCHEDULED_FOR"}
    warnings = []
    for name in sorted(environ):
        if name.startswith("SAURON_") and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            warnings.append(
                f"{name}: there is no such setting"
                + (f"; did you mean {near[0]}?" if near else "; remove it")
            )
    return warnings


def load_environ(folder: Path) -> dict[str, str]:
    """Return this process's environment over what `folder`/.env says; a variable set to nothing counts as unset."""
    written: dict[str, str] = {}
    if (file := folder / ".env").is_file():
        from dotenv import dotenv_values

        written = {name: value for name, value in dotenv_values(file).items() if value}
    return written | {name: value for name, value in os.environ.items() if value}
