"""What the operator may set, read from environment variables (and `.env`), all faults reported at once.

`SETTINGS` is the one table: it validates, it documents (README, `.env.example` and docker-compose are tested
against it) and it says which values are secrets. Empty means unset. For every secret `NAME_FILE` may name a
file that holds the value, and for roots of certificates; a named file that holds nothing is a fault. Nothing is read at import, and a
`Settings` never changes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sauron_jobs_loader import smtp_address
from sauron_jobs_loader.masking import Masker, address_credentials, shown_address

from . import settings_readers as read
from .chat import addresses as chat_addresses
from .chat.addresses import ChatAddress
from .errors import SettingsError
from .postgresql import tls
from .settings_readers import PoolSizes, Token
from .sources import environment as sources
from .sources import files, mail_addresses, warnings
from .sources.listen_address import listen_address
from .sources.visible_text import visible


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: an environment variable, where it goes, how it is read and what it means."""

    name: str
    attribute: str
    default: str | None
    read: Callable[[str], Any]
    help: str
    secret: bool = False
    address: bool = False  # the user and password in it are secret
    file: bool = False  # it may come from a file although it is not secret
    several: bool = False  # it may have several lines
    aliases: tuple[str, ...] = ()

    @property
    def from_file(self) -> bool:
        """Whether NAME_FILE may name a file that holds the value."""
        return self.secret or self.file


def _row(name: str, default: str | None, read: Callable[[str], Any], help_: str, **more: Any) -> Setting:
    attribute = more.pop("attribute", None) or name.removeprefix("SAURON_").lower()
    return Setting(name, attribute, default, read, help_, **more)


SETTINGS: tuple[Setting, ...] = (
    _row("JOB_QUEUE_DB_URL", None, read.store_url, "The store: sqlite:////path or postgresql://. Unset: .sauron/sauron.sqlite3", secret=True, attribute="store_url"),
    _row("DATABASE_URL", None, read.life_hub_url, "Life Hub's PostgreSQL, where runs are copied to. Unset: no copy", secret=True, attribute="life_hub_url", aliases=("LIFE_HUB_DB_URL",)),
    _row("SAURON_DB_CA", None, tls.roots, "Root of PostgreSQL's certificate, for the store and Life Hub: PEM text, system (the roots this system trusts) or rds (Amazon's; docs/aws.md)", file=True, several=True),
    _row("JOBS_GIT_REPO_URL", None, read.text, "The bundle: https://, ssh://, git@host:path, file:// or a local path. Unset: builtin jobs only", address=True),
    _row("JOBS_GIT_TOKEN", None, read.word, "Token for an https bundle", secret=True),
    _row("JOBS_GIT_BRANCH", None, read.word, "Branch of the bundle that is followed. Unset: main if there is one, else what the remote's HEAD names"),
    _row("JOBS_GIT_SUBDIR", None, read.folder_inside, "The folder inside the repository that holds manifest.py, such as ops/sauron. Unset: its top"),
    _row("JOBS_DIR", ".sauron/jobs", read.path, "Where the bundle's mirror and revisions are kept"),
    _row("JOBS_REFRESH_INTERVAL_SECONDS", "300", read.seconds(0, 86400), "How often the bundle is synced; 0 = only when asked", attribute="refresh_interval"),
    _row("JOB_SCHEDULER_NAME", "sauron", read.text, "This scheduler's name in Life Hub and messages", attribute="scheduler_name"),
    _row("JOB_QUEUE_ENABLED", "1", read.switch, "0 stops claiming runs; everything else goes on", attribute="queue_enabled"),
    _row("SSH_PRIVATE_KEY_B64", None, read.private_key, "Private key in base64, for an ssh bundle and for jobs that use ssh", secret=True, several=True),
    _row("SAURON_SSH_KEY_PATH", None, read.path, "File of the private key, when there is one already (the container's entrypoint sets it)"),
    _row("SAURON_SSH_KNOWN_HOSTS", None, read.text, "Known host keys: a file, or the lines themselves", several=True),
    _row("GITHUB_TOKEN", None, read.text, "For jobs that talk to GitHub", secret=True),
    _row("AWS_SES_ACCESS_KEY_ID", None, read.text, "SES credentials for mail", secret=True),
    _row("AWS_SES_SECRET_ACCESS_KEY", None, read.text, "SES credentials for mail", secret=True),
    _row("AWS_SES_REGION", "us-east-1", read.text, "SES region"),
    _row("SAURON_SMTP_URL", None, smtp_address.url, "Mail server, where no SES keys are set: smtp://user:password@host:587 (STARTTLS when offered) or smtps://host", secret=True),
    _row("NOTIFY_EMAIL", None, mail_addresses.addresses, "Default recipient of mail from jobs"),
    _row("DIGEST_EMAIL", None, mail_addresses.addresses, "Recipient of digests"),
    _row("ALERT_EMAIL", None, mail_addresses.addresses, "Recipient of alerts"),
    _row("FROM_EMAIL", None, mail_addresses.sender, "Sender of mail"),
    _row("API_HOST", "127.0.0.1", listen_address, "Address the API listens on (0.0.0.0 in the image)"),
    _row("API_PORT", "8080", read.whole(0, 65535), "Port the API listens on; 0 picks a free one"),
    _row("LOG_LEVEL", "INFO", read.one_of("DEBUG", "INFO", "WARNING", "ERROR"), "How much Sauron says"),
    _row("SAURON_API_TOKENS", None, read.tokens, "name:scope:token, comma-separated; scopes read < trigger < operate < admin. Unset: the API is open", secret=True, several=True),
    _row("SAURON_WORKERS", "8", read.whole(1, 256), "Attempts that run at once"),
    _row("SAURON_POOLS", "", read.pools, "How many runs of each pool may run at once over all runners: db:1,api:4. A pool without a size has 1", several=True),
    _row("SAURON_JOB_ENV", "compatible", read.one_of("compatible", "declared"), "declared = jobs get their declared secrets and nothing else of the environment"),
    _row("SAURON_KILL_GRACE_SECONDS", "5", read.seconds(0, 300), "Between TERM and KILL of an attempt's processes", attribute="kill_grace"),
    _row("SAURON_DRAIN_SECONDS", "15", read.seconds(0, 3600), "How long a stopping runner lets started attempts finish", attribute="drain"),
    _row("SAURON_LOAD_TIMEOUT_SECONDS", "60", read.seconds(1, 600), "How long a bundle's manifest may take to load", attribute="load_timeout"),
    _row("SAURON_GIT_TIMEOUT_SECONDS", "120", read.seconds(1, 3600), "How long a fetch may take", attribute="git_timeout"),
    _row("SAURON_INSTALL_TIMEOUT_SECONDS", "600", read.seconds(1, 7200), "How long installing a bundle's requirements.txt may take", attribute="install_timeout"),
    _row("SAURON_KEEP_RUNS_DAYS", "90", read.days, "Runs older than this are pruned", attribute="keep_runs"),
    _row("SAURON_KEEP_LOGS_DAYS", "30", read.days, "Logs older than this are pruned", attribute="keep_logs"),
    _row("SAURON_KEEP_RUNS_PER_JOB", "1000", read.whole(10, 1_000_000), "Finished runs kept per job"),
    _row("SAURON_BACKUP_DIR", None, read.path, "Where the daily copies of an SQLite store go. Unset: backups beside the store"),
    _row("SAURON_KEEP_BACKUPS", "7", read.whole(1, 1000), "How many of these copies are kept"),
    _row("SAURON_DISK_LOW_MB", "500", read.whole(0, 10_000_000), "Alert when the store's disk has less free space than this; 0 = never"),
    _row("SAURON_PUBLIC_URL", None, read.public_url, "Where people reach this Sauron, with the path if it has one: for links and forms. Unset: API_HOST and API_PORT", address=True),
    _row("SAURON_HEARTBEAT_URL", None, read.http_url, "Pinged every minute while all is well (dead-man's switch)", secret=True),
    _row("SAURON_ALERT_WEBHOOK_URL", None, read.http_url, "Where alerts are posted as signed JSON", secret=True),
    _row("SAURON_ALERT_URLS", None, chat_addresses.read, "Chat and push services for alerts, as apprise reads them, separated by spaces: slack:// discord:// ntfy:// json://", secret=True, several=True),
    _row("SAURON_ALERT_WEBHOOK_SECRET", None, read.webhook_secret, "Signing secret of the webhook (whsec_...)", secret=True),
    _row("SAURON_GIT_WEBHOOK_SECRET", None, read.text, "Secret of the git host's webhook: a push to POST /hooks/git is live at once (docs/git.md)", secret=True),
    _row("SAURON_ASSISTANT_BUDGET", "60", read.whole(0, 100_000), "Acts an hour that each token may do through /mcp; 0 = none"),
    _row("SAURON_SQS_QUEUE_URL", None, read.http_url, "The SQS queue runs are dispatched on, on AWS. Unset: runners look for themselves"),
    _row("SAURON_SSM_PATH", None, read.ssm_paths, "Paths of SSM parameters that stand for variables, on AWS, comma-separated: below /sauron/prod/bundle the variable JOBS_GIT_TOKEN is /sauron/prod/bundle/JOBS_GIT_TOKEN", attribute="ssm_paths"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, read and checked: a field for each row of `SETTINGS`. None means unset, with no default.

    `secret_values` are the values of all secret settings and what they hold, for masking. `origins` says of
    each row that is not at its default where its value came from.
    """

    store_url: str = field(repr=False)
    life_hub_url: str | None = field(repr=False)
    db_ca: str | None
    jobs_git_repo_url: str | None
    jobs_git_token: str | None = field(repr=False)
    jobs_git_branch: str | None
    jobs_git_subdir: str | None
    jobs_dir: Path
    refresh_interval: timedelta
    scheduler_name: str
    queue_enabled: bool
    ssh_private_key_b64: bytes | None = field(repr=False)
    ssh_key_path: Path | None
    ssh_known_hosts: str | None
    github_token: str | None = field(repr=False)
    aws_ses_access_key_id: str | None = field(repr=False)
    aws_ses_secret_access_key: str | None = field(repr=False)
    aws_ses_region: str
    smtp_url: str | None = field(repr=False)
    notify_email: str | None
    digest_email: str | None
    alert_email: str | None
    from_email: str | None
    api_host: str
    api_port: int
    log_level: str
    api_tokens: tuple[Token, ...] | None = field(repr=False)
    workers: int
    pools: PoolSizes
    job_env: str
    kill_grace: timedelta
    drain: timedelta
    load_timeout: timedelta
    git_timeout: timedelta
    install_timeout: timedelta
    keep_runs: timedelta
    keep_logs: timedelta
    keep_runs_per_job: int
    backup_dir: Path | None
    keep_backups: int
    disk_low_mb: int
    public_url: str | None
    heartbeat_url: str | None = field(repr=False)
    alert_webhook_url: str | None = field(repr=False)
    alert_urls: tuple[ChatAddress, ...] | None = field(repr=False)
    alert_webhook_secret: bytes | None = field(repr=False)
    git_webhook_secret: str | None = field(repr=False)
    assistant_budget: int
    sqs_queue_url: str | None
    ssm_paths: tuple[str, ...] | None
    environ: Mapping[str, str] = field(repr=False)
    origins: Mapping[str, str] = field(default_factory=dict)
    secret_values: tuple[str, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(
        cls, folder: Path, parameters: Callable[[Sequence[str]], Mapping[str, str]] | None = None
    ) -> Settings:
        """Read every setting from `folder`/.env and this process's environment, which wins.

        `parameters` reads what the paths of SAURON_SSM_PATH lead to; the environment wins over that, too.
        Raises SettingsError with all faults at once, those of `.env` included.
        """
        file, environ = _sources(folder)
        given: Mapping[str, str] = {}
        if parameters and (named := environ.get("SAURON_SSM_PATH")):
            with contextlib.suppress(ValueError):  # said with all other faults
                paths = read.ssm_paths(named)
                given = {name: text for name, text in parameters(paths).items() if not environ.get(name)}
            environ = sources.overlay(given, environ, SETTINGS)
        return cls.read(environ, file, parameters=given)

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str],
        file: files.EnvFile | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
    ) -> Settings:
        """Read every setting from `environ`, to which `file` and `parameters` have given their values.

        Raises SettingsError with all faults at once; no secret's value is in it.
        """
        values: dict[str, Any] = {}
        variables: dict[str, str] = {}
        faults: list[str] = list(file.faults) if file else []
        secrets: set[str] = set()
        for setting in SETTINGS:
            try:
                name, text = sources.chosen(setting, environ)
            except ValueError as error:
                faults.append(str(error))
                continue
            variables[setting.name] = name
            raw = setting.default if text is None else text
            if raw is None:
                values[setting.attribute] = None
                continue
            try:
                values[setting.attribute] = setting.read(visible(raw, several=setting.several))
                if setting.secret:
                    secrets.update(within(raw, values[setting.attribute]))
                    if isinstance(values[setting.attribute], str):  # an address whose scheme is in lower case
                        secrets.update(within(values[setting.attribute]))
                elif setting.address:
                    secrets.update(address_credentials(raw))
            except ValueError as error:
                shown = (
                    ""
                    if setting.from_file
                    else f"={(shown_address(raw) if '://' in raw or setting.address else raw)!r}"
                )
                faults.append(f"{name}{shown}: {error}")
        if faults:
            raise SettingsError(faults)
        if values["store_url"] is None:
            values["store_url"] = f"sqlite:///{Path('.sauron/sauron.sqlite3').absolute()}"
        secrets.update(token.value for token in values["api_tokens"] or ())
        secrets.update(secret for one in values["alert_urls"] or () for secret in one.secrets)
        places = {".env": file.values if file else {}, "an AWS parameter": parameters or {}}
        return cls(
            **values,
            environ=dict(environ),
            origins=sources.origins(SETTINGS, variables, environ, places),
            secret_values=tuple(sorted(secrets, key=len, reverse=True)),
            warnings=(
                *(file.warnings if file else ()),
                *warnings.unused(environ, SETTINGS),
                *warnings.unencrypted({one.name: values[one.attribute] for one in SETTINGS}),
                *warnings.unverified({one.name: values[one.attribute] for one in SETTINGS}),
                *warnings.short_tokens((one.name, one.value) for one in values["api_tokens"] or ()),
                *warnings.unknown(environ, SETTINGS),
            ),
        )

    @classmethod
    def usable(cls, folder: Path) -> tuple[Settings | None, tuple[str, ...]]:
        """Return the settings that can be read, with the faults of others, which are at their defaults.

        None when the others cannot be used without them.
        """
        file, environ = _sources(folder)
        try:
            return cls.read(environ, file), ()
        except SettingsError as error:
            faults = error.faults
        for setting in SETTINGS:
            own = sources.names(setting)
            if any(re.match(rf"(?:{'|'.join(own)})(?![A-Z_])", fault) for fault in faults):
                environ = {name: value for name, value in environ.items() if name not in own}
        try:
            return cls.read(environ), faults
        except SettingsError:
            return None, faults

    @property
    def function(self) -> str | None:
        """The name of the Lambda function this process is, None elsewhere."""
        return self.environ.get("AWS_LAMBDA_FUNCTION_NAME")

    @property
    def public_path(self) -> str:
        """The path of SAURON_PUBLIC_URL without a slash at its end, such as `/sauron`; empty without one."""
        return urlsplit(self.public_url or "").path.rstrip("/")

    @property
    def base_link(self) -> str:
        """Where people reach this Sauron, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.api_host, self.api_host)  # noqa: S104 - not a bind
        return f"http://[{host}]:{self.api_port}" if ":" in host else f"http://{host}:{self.api_port}"

    def masked(self, text: str) -> str:
        """Return a text with the values of secret settings masked."""
        return _masker(self.secret_values).text(text)


@functools.lru_cache(maxsize=4)
def _masker(secrets: tuple[str, ...]) -> Masker:
    return Masker(secrets)


def within(raw: str, value: Any = None) -> set[str]:
    """Return a secret as it was given, and what it holds: an address's password, a decoded key."""
    found = {raw}
    if "://" in raw:
        found |= address_credentials(raw)
    if isinstance(value, bytes):
        found.add(value.decode("utf-8", "replace"))
    return found


def given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the text of every setting that is not at its default, by its own name.

    An alias and a file that names the value both count as the setting itself.
    """
    found = {}
    for setting in SETTINGS:
        with contextlib.suppress(ValueError):  # a file that cannot be read is `Settings.read`'s to report
            _, text = sources.chosen(setting, environ)
            if text is not None and text != setting.default:
                found[setting.name] = text
    return found


def secret_texts(environ: Mapping[str, str]) -> set[str]:
    """Return what is to be masked of the secret settings, also where another setting is wrong."""
    texts = given(environ)
    return {part for one in SETTINGS if one.secret and one.name in texts for part in within(texts[one.name])}


def load_environ(folder: Path) -> dict[str, str]:
    """Return `folder`/.env overlaid with this process's environment; an empty variable counts as unset.

    Raises SettingsError when `.env` cannot be read.
    """
    file, environ = _sources(folder)
    if file.faults:
        raise SettingsError(file.faults)
    return environ


def _sources(folder: Path) -> tuple[files.EnvFile, dict[str, str]]:
    """Return `.env` with the values that count, and the variables: those and this process's environment."""
    file = files.env_file(folder / ".env")
    faults = (*file.faults, *sources.untrusted(file, os.environ))
    environ = sources.overlay(file.values, os.environ, SETTINGS)
    used = {name: text for name, text in file.values.items() if name in environ and not os.environ.get(name)}
    return replace(file, faults=faults, values=used), environ
