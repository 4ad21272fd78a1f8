"""The environment of a job, its secrets, and the values that are masked in its output.

A job gets a fixed whitelist, its identity and its declared secrets. In the compatible environment a job that
declares no secrets gets all variables of the container except Sauron's own credentials. A fork shows the
environment of its parent in /proc, so a job that may see less than its zygote is spawned.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Collection, Iterable, Mapping

from chalicelib.model.jobs import Job, JobSpec
from chalicelib.settings import SETTINGS, Settings, within
from chalicelib.sources import files
from sauron_jobs_loader.masking import SHORTEST, Masker

WHITELIST = (
    *(
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TMPDIR",
        "USER",
        "LOGNAME",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ),
    *("SAURON_SSH_KNOWN_HOSTS", "JOB_SCHEDULER_NAME", "JOB_QUEUE_ENABLED"),
    *(
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
    ),
)
INSTALLER = ("PIP_", "UV_")  # prefixes of the variables that configure pip and uv
MAIL = (
    "FROM_EMAIL",
    "NOTIFY_EMAIL",
    "DIGEST_EMAIL",
    "AWS_SES_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SES",
)
# a job that declares the key may read the path too
SSH_KEY, SSH_KEY_PATH = "SSH_PRIVATE_KEY_B64", "SAURON_SSH_KEY_PATH"
# settings that are not secret, also if a job declares them
PUBLIC_NAMES = frozenset(setting.name for setting in SETTINGS if not setting.secret)
# names of one setting
ALIASES = tuple((setting.name, *setting.aliases) for setting in SETTINGS if setting.aliases)
SECRET_NAMES = frozenset(
    name for setting in SETTINGS if setting.secret for name in (setting.name, *setting.aliases)
)
# names of variables that hold secrets
LIKELY = re.compile(
    r"(^|_)(API_?KEY|KEY|PASS|CREDENTIAL|DSN)S?(_|$)"
    r"|(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|WEBHOOK)S?(_|$)|_PWD(_|$)|^SSHPASS$"
)
LIKELY_CHARS = 8  # a shorter value may be an ordinary word
GUESSED_CHARS = 12  # a shorter value may be found by trying
LIBRARY_PATH = "LD_LIBRARY_PATH"
# the credentials of Sauron's own role on Lambda
ROLE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# prefixes of the variables of the Lambda runtime, hidden from jobs
FUNCTION = (*ROLE, "AWS_LAMBDA_", "LAMBDA_", "_HANDLER", "_X_AMZN_")
# Sauron's own credentials, which no job gets
OWN = frozenset({"JOB_QUEUE_DB_URL", "JOBS_GIT_TOKEN", "JOBS_GIT_REPO_URL"})
# and all that begins with this, but for the mail server, by which jobs send mail too
PREFIX, SHARED = "SAURON_", frozenset({"SAURON_SMTP_URL"})


class JobEnvironment:
    """Builds the environments of jobs from the settings and the secrets that jobs declare.

    Safe to share between threads.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # names of the secrets that jobs declare
        self._declared: frozenset[str] = frozenset()
        self._learning = threading.Lock()
        self._maskers: dict[int, tuple[frozenset[str], Masker]] = {}

        self._likely_names = SECRET_NAMES | {name for name in settings.environ if LIKELY.search(name.upper())}
        environ = {name: value for name, value in settings.environ.items() if name not in PUBLIC_NAMES}
        named = {
            value
            for name, value in environ.items()
            if LIKELY.search(name.upper()) and len(value) >= LIKELY_CHARS
        }
        self._likely = frozenset(named.union(*(within(value) - {value} for value in environ.values())))

    def learn(self, names: Iterable[str]) -> None:
        """Add names of secrets that jobs declare. Their values are masked in the output of every job."""
        with self._learning:
            self._declared |= frozenset(names) - PUBLIC_NAMES

    def learn_from(self, jobs: Iterable[Job]) -> None:
        """Take note of the secrets that these jobs declare."""
        self.learn(str(secret["key"]) for job in jobs for secret in job.spec.secrets or ())

    @property
    def masked_names(self) -> frozenset[str]:
        """The variables whose values are masked in the mails of a job."""
        return self._likely_names | self._declared

    def spawns(self, spec: JobSpec) -> bool:
        """Return whether a job needs its own interpreter instead of a fork of the zygote."""
        return spec.isolation == "spawn" or (self._compatible and spec.secrets is not None)

    @property
    def _compatible(self) -> bool:
        return bool(self._settings.job_env == "compatible")

    def zygote(self) -> dict[str, str]:
        """Return the environment of a zygote, which its forked jobs inherit."""
        return self._compatible_environ() if self._compatible else self._whitelisted()

    def of(self, spec: JobSpec) -> dict[str, str]:
        """Return the environment of a spawned job, without its secrets."""
        if spec.builtin:
            names = (*MAIL, *ROLE, "AWS_REGION") if self._settings.function else MAIL
            return self._whitelisted() | {
                name: self._settings.environ[name] for name in names if name in self._settings.environ
            }
        if self._compatible and spec.secrets is None:
            return self._compatible_environ()
        return self._whitelisted() | (
            self._key_path() if any(secret["key"] == SSH_KEY for secret in spec.secrets or ()) else {}
        )

    def _key_path(self) -> dict[str, str]:
        path = self._settings.ssh_key_path
        return {} if path is None else {SSH_KEY_PATH: str(path)}

    def installer(self) -> dict[str, str]:
        """Return the environment of an installer of requirements."""
        return self._whitelisted() | {
            name: value for name, value in self._settings.environ.items() if name.startswith(INSTALLER)
        }

    def _whitelisted(self) -> dict[str, str]:
        return {
            name: self._settings.environ[name] for name in WHITELIST if name in self._settings.environ
        } | self._libraries()

    def _libraries(self) -> dict[str, str]:
        """Return the paths of libraries on Lambda: Sauron's, beside its code, and those of Python itself.

        Lambda's Python may not start without the latter, so they go to every job.
        """
        if self._settings.function is None:
            return {}
        shared = self._settings.environ.get(LIBRARY_PATH)
        own = sysconfig.get_path("stdlib")
        outside = (own, sys.base_prefix)
        there = filter(os.path.isdir, sys.path)
        found = [path for path in there if not path.startswith(outside)]
        return {"PYTHONPATH": os.pathsep.join(found)} | ({LIBRARY_PATH: shared} if shared else {})

    def _compatible_environ(self) -> dict[str, str]:
        environ = self._settings.environ
        given = (
            {
                name: value
                for name, value in environ.items()
                if name in WHITELIST or not _is_own(name.removesuffix("_FILE"))
                if not (self._settings.function and name.startswith(FUNCTION))
            }
            | self._key_path()
            | self._libraries()
        )
        for setting in SETTINGS:  # aliases such as LIFE_HUB_DB_URL, and X_FILE for X
            if setting.secret and not _is_own(setting.name):
                value = self._value(setting.name)
                given |= (
                    {}
                    if value is None
                    else {name: given.get(name, value) for name in (setting.name, *setting.aliases)}
                )
        return given

    def masker(self) -> Masker:
        """Return the masker of every known secret.

        Those are the secret settings, the secrets that jobs declare, and variables that look like a secret by
        their name or hold one in an address.
        """
        return self._masker(SHORTEST)

    def request_masker(self) -> Masker:
        """Return the masker for what callers send: an answer that depends on a secret helps to guess it.

        So it knows only secrets that are too long to be found by trying, and no text in which a shorter one
        is all that a caller would have to guess, such as an address with a short password.
        """
        return self._masker(GUESSED_CHARS)

    def _masker(self, shortest: int) -> Masker:
        values = self._likely.union(
            *(within(value) for name in self._declared if (value := self._value(name)))
        )
        known = self._maskers.get(shortest)
        if known is None or known[0] != values:
            secrets: Collection[str] = {*self._settings.secret_values, *values}
            if shortest == GUESSED_CHARS:
                secrets = _without_short(secrets)
            known = self._maskers[shortest] = (values, Masker(secrets, shortest=shortest))
        return known[1]

    def missing(self, spec: JobSpec) -> list[str]:
        """Return the names of the required secrets of a job that are not set."""
        return self.secrets(spec)[1]

    def secrets(self, spec: JobSpec) -> tuple[dict[str, str], list[str]]:
        """Return the values of a job's declared secrets, and the names of required ones that are not set."""
        found: dict[str, str] = {}
        missing = []
        for secret in spec.secrets or ():
            key = str(secret["key"])
            value = self._value(key)
            if value is not None:
                found[key] = value
            elif secret.get("required", True) and not (key == SSH_KEY and self._settings.ssh_key_path):
                missing.append(key)
        return found, missing

    def _value(self, name: str) -> str | None:
        """Return a secret's value, from the variable or from the file that NAME_FILE names."""
        environ: Mapping[str, str] = self._settings.environ
        if _is_own(name):
            return None
        for other in (name, *(known for names in ALIASES if name in names for known in names)):
            if environ.get(other):
                return environ[other]
            if file := environ.get(f"{other}_FILE"):
                with contextlib.suppress(ValueError):  # the secret is missing, which is told of its jobs
                    return files.secret(other, file)
        return None


def _is_own(name: str) -> bool:
    """Return whether a variable is Sauron's own, which no job gets."""
    return name in OWN or (name.startswith(PREFIX) and name not in SHARED)


def _without_short(secrets: Collection[str]) -> Collection[str]:
    """Leave out secrets that may be found by trying, and addresses and lists of tokens that hold one."""
    short = sorted({value.strip() for value in secrets if 0 < len(value.strip()) < GUESSED_CHARS})
    if not short:
        return secrets
    held = re.compile(rf"[:/,\s](?:{'|'.join(map(re.escape, short))})(?:[@,\s]|$)")
    return [one for one in secrets if len(one.strip()) >= GUESSED_CHARS and not held.search(one)]
