"""What the operator's settings ask for: the functions' variables and secrets, or all faults at once.

Secrets become SSM parameters. Other settings become variables of the functions, which everyone who may view
a function can read: so a token in the bundle's address is moved to the secrets, and other addresses with a
user or a password are refused. Settings of the operator's machine (folders, the listening address) are left
out. Nothing here calls AWS. Limit: a user name beside a token is not treated as a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from chalicelib.errors import SettingsError
from chalicelib.settings import SETTINGS, Settings, given
from chalicelib.sources import warnings
from sauron_jobs_loader.errors import LoaderError, SourceError
from sauron_jobs_loader.git.address import parse_address
from sauron_jobs_loader.git.hosts import DEFAULT_USER
from sauron_jobs_loader.masking import address_credentials
from sauron_jobs_loader.toolkit import known_hosts

JOBS_DIR = "/tmp/sauron/jobs"  # noqa: S108 - the only place where a function may write
LEFT_BEHIND = frozenset(
    {
        *(
            "API_HOST",
            "API_PORT",
            "JOBS_DIR",
            "SAURON_SSH_KEY_PATH",
            "SAURON_BACKUP_DIR",
            "SAURON_KEEP_BACKUPS",
        ),
        *("SAURON_SQS_QUEUE_URL", "SAURON_WORKERS", "SAURON_DISK_LOW_MB"),
    }
)
NOT_OF_JOBS = re.compile(
    r"(AWS|LAMBDA|SAURON|PIP|LD)_|PYTHON|_HANDLER$|HOME$|TZ$|(.*_)?(PATH|FILE)$|(?i:.*_proxy)$"
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
NEARBY = frozenset({"localhost", "127.0.0.1", "::1"})
_SETTINGS = frozenset(
    f"{name}{end}" for one in SETTINGS for name in (one.name, *one.aliases) for end in ("", "_FILE")
)
PARAMETER_BYTES = 8192  # SSM takes no more
# Lambda takes 4 KiB; the queue's address, and the paths and revision of the secrets come to it.
VARIABLES_BYTES = 3800


@dataclass(frozen=True, slots=True)
class Desired:
    """What a stage should have. `store_url` is an URL for SQLAlchemy, `db_ca` verifies its server."""

    variables: dict[str, str]
    secrets: dict[str, str] = field(repr=False)
    store_url: str = field(repr=False)
    db_ca: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()


def read(
    environ: Mapping[str, str], *, job_secrets: Sequence[str] = (), written: Sequence[str] = ()
) -> Desired:
    """Read the desired variables and secrets; `written` are the names in the file of --env-file.

    Raises SettingsError with every fault, those of the settings included. It holds no secret's value.
    """
    faults: list[str] = []
    raw = given(environ)
    settings = None
    try:
        settings = Settings.read(environ)
    except SettingsError as error:
        faults += error.faults
    faults += _missing(raw)
    secret_settings = {setting.name for setting in SETTINGS if setting.secret}
    secrets = {name: value for name, value in raw.items() if name in secret_settings}
    faults += _move_token(raw, secrets)
    if hosts := raw.pop("SAURON_SSH_KNOWN_HOSTS", None):
        try:  # a secret, because it may be longer than the variables of a function
            secrets["SAURON_SSH_KNOWN_HOSTS"] = known_hosts.text_of(hosts)
        except LoaderError as error:
            faults.append(str(error))
    if settings and "-----BEGIN" in (settings.db_ca or ""):
        secrets["SAURON_DB_CA"] = str(settings.db_ca)  # for the same reason; without remarks
        raw.pop("SAURON_DB_CA", None)
    for name in [*job_secrets, *_of_jobs(written)]:
        if not NAME.fullmatch(name) or NOT_OF_JOBS.match(name):
            faults.append(
                f"--secret {name}: a job's secret may not have this name on AWS; "
                "write for example --secret STRIPE_KEY"
            )
        elif not (value := environ.get(name, "")):
            faults.append(
                f"--secret {name}: {name} is not set; set it in the environment or in the file of --env-file"
            )
        else:
            secrets[name] = value
    faults += [
        f"{name}: longer than the 8 KiB that SSM takes"
        for name in sorted(secrets)
        if len(secrets[name].encode()) > PARAMETER_BYTES
    ]
    variables = {name: value for name, value in raw.items() if name not in secret_settings | LEFT_BEHIND}
    faults += [
        f"{name}: everyone who may view a function could read the user and password before the @; remove them"
        for name, value in variables.items()
        if name != "JOBS_GIT_REPO_URL" and "://" in value and address_credentials(value)
    ]
    variables |= {"JOBS_DIR": JOBS_DIR}
    if sum(len(f"{name}{value}".encode()) for name, value in variables.items()) > VARIABLES_BYTES:
        faults.append(
            f"{max(variables, key=lambda name: len(variables[name]))}: "
            "a function's variables hold 4 KiB in all; shorten this one"
        )
    if faults:
        raise SettingsError(faults)
    assert settings is not None  # noqa: S101 - its failure is a fault
    return Desired(
        dict(sorted(variables.items())),
        secrets,
        settings.store_url,
        settings.db_ca,
        (*_notes(raw, settings), *_left(written)),
    )


def _missing(raw: Mapping[str, str]) -> list[str]:
    faults = []
    if not raw.get("JOB_QUEUE_DB_URL", "").lower().startswith("postgres"):
        faults.append(
            "JOB_QUEUE_DB_URL: functions share no disk; write postgresql://user:password@host:5432/database"
        )
    if not raw.get("JOBS_GIT_REPO_URL", "").lower().startswith("https://"):
        faults.append(
            "JOBS_GIT_REPO_URL: a function fetches over https only; write https://host/owner/repository.git"
        )
    if not raw.get("SAURON_API_TOKENS"):
        faults.append(
            "SAURON_API_TOKENS: the address is public, so the API needs a token; write for example "
            "me:admin:<random>, with the output of: openssl rand -hex 24"
        )
    return faults


def _move_token(raw: dict[str, str], secrets: dict[str, str]) -> list[str]:
    """Move the token out of the bundle's address and return the faults.

    GitHub accepts a token as the user or as the password before the @.
    """
    url, token = raw.get("JOBS_GIT_REPO_URL", ""), secrets.get("JOBS_GIT_TOKEN")
    if not url.lower().startswith("https://"):
        return []  # a fault already
    try:
        address = parse_address(url, token=token)
    except SourceError as error:
        return [f"JOBS_GIT_REPO_URL with JOBS_GIT_TOKEN: {error}"]
    parts = urlsplit(url)
    user = parts.username or ""
    if parts.password and unquote(user) not in ("", DEFAULT_USER):
        instead = f"{address.url}, or {_with_user(address.url, 'user')} if the user name matters"
        fault = "JOBS_GIT_REPO_URL: it is unclear whether the user or the password is the secret"
        return [f"{fault}; set JOBS_GIT_TOKEN, and write {instead}"]
    alone = user and not parts.password
    named = alone and (address.token is None or (token and unquote(user) != token))
    raw["JOBS_GIT_REPO_URL"] = _with_user(address.url, user) if named else address.url
    if address.token:
        secrets["JOBS_GIT_TOKEN"] = address.token
    return []


def _with_user(url: str, user: str) -> str:
    return url.replace("://", f"://{user}@", 1)


def _of_jobs(written: Sequence[str]) -> list[str]:
    """Return the names of a file that are not settings: they are secrets of jobs."""
    return [name for name in written if name not in _SETTINGS and not NOT_OF_JOBS.match(name)]


def _left(written: Sequence[str]) -> list[str]:
    """Return a remark about the names in a file that reach no function."""
    here = sorted({name for name in written if name in LEFT_BEHIND})
    refused = sorted({name for name in written if NOT_OF_JOBS.match(name) and name not in _SETTINGS})
    notes = [f"Of this machine, so not deployed: {', '.join(here)}."] if here else []
    if refused:
        notes.append(
            f"Not deployed: {', '.join(refused)}. On AWS names like these belong to Lambda or to this "
            "machine; give what a job needs another name, such as REPORT_PLACE for REPORT_PATH."
        )
    return notes


def _notes(raw: Mapping[str, str], settings: Settings) -> list[str]:
    notes = list(settings.warnings)
    databases = {
        "JOB_QUEUE_DB_URL": settings.store_url,
        "DATABASE_URL": settings.life_hub_url,
        "SAURON_DB_CA": settings.db_ca,
    }
    # libpq's own variables and files of this machine do not reach the functions
    notes += [note for note in warnings.unverified(databases, {}) if note not in notes]
    parts = urlsplit(raw["JOB_QUEUE_DB_URL"])
    if not parts.hostname or parts.hostname in NEARBY:
        notes.append(
            "JOB_QUEUE_DB_URL names this machine, and a function cannot reach it. "
            "Write an address of the database that the functions can reach."
        )
    if urlsplit(raw["JOBS_GIT_REPO_URL"]).username:
        notes.append(
            "The user name in JOBS_GIT_REPO_URL is a plain variable of the functions: "
            "only JOBS_GIT_TOKEN is a secret."
        )
    elif urlsplit(settings.jobs_git_repo_url).username is not None:
        notes.append(
            "JOBS_GIT_REPO_URL is deployed without the part before the @: "
            "the token is the secret JOBS_GIT_TOKEN."
        )
    if not settings.alert_webhook_url and not settings.alert_email and not settings.alert_urls:
        notes.append(
            "No alert is sent for failing jobs: set ALERT_EMAIL with FROM_EMAIL, SAURON_ALERT_URLS or "
            "SAURON_ALERT_WEBHOOK_URL."
        )
    if "SAURON_SSH_KEY_PATH" in raw and "SSH_PRIVATE_KEY_B64" not in raw:
        notes.append("SAURON_SSH_KEY_PATH is not deployed: give the key as SSH_PRIVATE_KEY_B64.")
    return notes
