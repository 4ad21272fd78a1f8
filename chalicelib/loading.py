"""The seam to the loader: the bundle's git repository and the processes that run its jobs, as the duties see them.

Here settings become the loader's arguments, the loader's errors become ours, and it is decided what environment a job gets:
a fixed whitelist, who it is, and its declared secrets; under the compatible environment a job that declares nothing gets the
container's variables without what opens Sauron itself.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import sauron_jobs_loader
from sauron_jobs_loader.environment import Environments
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.launcher import Attempt, AttemptRequest, Bundle, Launcher
from sauron_jobs_loader.masking import Masker
from sauron_jobs_loader.revisions import Revisions as Checkouts
from sauron_jobs_loader.source import GitSource

from . import __version__, logs
from .clock import iso
from .errors import BundleError
from .jobs import JobSpec
from .runs import Run
from .settings import SETTINGS, Settings
from .sync import Loaded

log = logs.get(__name__)

WHITELIST = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    "SAURON_SSH_KNOWN_HOSTS",
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
)
INSTALLER = ("PIP_", "UV_")  # what begins so tells an installer where packages come from
MAIL = ("FROM_EMAIL", "NOTIFY_EMAIL", "DIGEST_EMAIL", "AWS_SES_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SES")
BUILTIN_FOLDER = Path(sauron_jobs_loader.__file__).parent / "builtin"
TEXTS = ("description", "entrypoint", "command", "project", "tags", "params")  # of a job's record, written by the bundle's code
SSH_KEY, SSH_KEY_PATH = "SSH_PRIVATE_KEY_B64", "SAURON_SSH_KEY_PATH"  # who may have the one may read the other
PUBLIC_NAMES = frozenset(setting.name for setting in SETTINGS if not setting.secret)  # declared or not, they hold no secret
SECRET_NAMES = frozenset(name for setting in SETTINGS if setting.secret for name in (setting.name, *setting.aliases))
OWN = frozenset({"JOB_QUEUE_DB_URL", "JOBS_GIT_TOKEN", "JOBS_GIT_REPO_URL"})  # opens Sauron, so no job sees it


class Revisions:
    """The bundle's revisions: fetched, checked out, loaded, and running attempts of them. Safe to share between threads."""

    def __init__(self, settings: Settings, *, token: Callable[[], int | None] = lambda: None) -> None:
        self._settings = settings
        self._token = token
        self._checkouts = Checkouts(settings.jobs_dir)
        self._environments = Environments(
            settings.jobs_dir / "environments", environ=self._installer_environ(), timeout=settings.install_timeout
        )
        self._declared: frozenset[str] = frozenset()  # names of the secrets that jobs of loaded revisions declare
        self._known: tuple[frozenset[str], Masker] | None = None
        self._warming = threading.Lock()
        self._files: tempfile.TemporaryDirectory[str] | None = None

    @cached_property
    def _launcher(self) -> Launcher:
        return Launcher(grace=self._settings.kill_grace, boot_timeout=self._settings.load_timeout, token=self._token)

    @cached_property
    def _source(self) -> GitSource:
        settings = self._settings
        return GitSource(
            settings.jobs_git_repo_url,
            root=settings.jobs_dir,
            branch=settings.jobs_git_branch,
            token=settings.jobs_git_token,
            ssh_key_file=self._key_file(),
            known_hosts_file=self._known_hosts_file(),
            timeout=settings.git_timeout,
        )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except LoaderError as error:
            raise BundleError(self.masker().text(str(error))) from None

    # -- what sync asks -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from syncing meanwhile."""
        with self._translated(), self._checkouts.lock():
            yield

    def fetch(self, ref: str | None) -> str:
        """Fetch a branch, tag or commit and answer its full id."""
        with self._translated():
            return self._source.fetch(ref)

    def load(self, sha: str) -> Loaded:
        """Check a revision out and boot it."""
        with self._translated():
            bundle = self._boot(sha)
            commit = self._source.metadata(sha) or {}
        mask = self.masker()
        jobs = [{**record, **{name: mask.value(record[name]) for name in TEXTS}} for record in bundle.jobs]
        refused = [{"job_id": one.job_id, "place": one.place, "reason": mask.text(one.reason)} for one in bundle.rejected]
        return Loaded(jobs, refused, commit.get("subject"), commit.get("author"))

    def retire(self, keep: Collection[str]) -> None:
        """Let go of processes, checkouts and environments of revisions that are not in `keep`."""
        self._launcher.retire(keep)
        self._checkouts.prune(keep)
        self._environments.prune([folder for sha in keep if (folder := self._checkouts.path(sha))])

    def warm(self, sha: str) -> None:
        """Have the active revision loaded, so that its next run starts in milliseconds, and end the processes of others."""
        with self._warming:
            try:
                self._boot(sha)
            except (LoaderError, BundleError) as error:
                log.error("revision.not_warm", sha=sha, reason=str(error))  # noqa: TRY400 - the reason is enough
            self._launcher.retire([sha])

    def _boot(self, sha: str) -> Bundle:
        folder = self._folder(sha)
        bundle = self._launcher.boot(sha, folder, self._zygote_environ(), python=self._environments.python(folder))
        self._declared |= {str(secret["key"]) for record in bundle.jobs for secret in record["secrets"] or ()} - PUBLIC_NAMES
        return bundle

    def _folder(self, sha: str) -> Path:
        """Answer a revision's checkout, making it anew if it is gone."""
        folder = self._checkouts.path(sha)
        if folder is not None:
            return folder
        if not self._settings.jobs_git_repo_url:
            raise BundleError(f"Revision {sha[:12]} has no checkout and JOBS_GIT_REPO_URL is not set, so it cannot be fetched.")
        try:
            return self._source.checkout(sha)
        except LoaderError:
            self._source.fetch(sha)
            return self._source.checkout(sha)

    # -- what work asks -----------------------------------------------------------------------------------------------

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start the processes of an attempt. Raises BundleError, also when a required secret is not set."""
        secrets, missing = self._secrets(spec)
        if missing:
            raise BundleError(f"Required secrets are not set: {', '.join(missing)}. Set them in Sauron's environment.")
        if spec.builtin:
            sha, folder, python = f"builtin-{__version__}", BUILTIN_FOLDER, None
        elif run.revision is None:
            raise BundleError("No revision is active yet: sync the bundle first.")
        else:
            with self._translated():
                sha, folder = run.revision, self._folder(run.revision)
                python = self._environments.python(folder)
        identity = {"SAURON_RUN_ID": run.id, "SAURON_JOB_ID": run.job_id, "SAURON_ATTEMPT": str(run.attempt)}
        scheduled_for = iso(run.fire_at or run.created_at)
        identity["SAURON_SCHEDULED_FOR"] = scheduled_for
        # A fork shows its parent's environment in /proc, so a job with less than the zygote has is spawned.
        spawn = spec.isolation == "spawn" or (self._compatible and spec.secrets is not None)
        self._declared |= {str(secret["key"]) for secret in spec.secrets or ()} - PUBLIC_NAMES
        with self._translated():
            return self._launcher.start(
                AttemptRequest(
                    sha=sha,
                    folder=folder,
                    python=python,
                    job_id=spec.id,
                    run_id=run.id,
                    attempt=run.attempt,
                    scheduled_for=scheduled_for,
                    params=run.params,
                    environ=(self._environ(spec) | identity) if spawn else identity,
                    secrets=secrets,
                    spawn=spawn,
                    zygote_environ=self._zygote_environ(),
                    masker=self.masker(),
                    masked_names=SECRET_NAMES | self._declared,
                )
            )

    @property
    def _compatible(self) -> bool:
        return bool(self._settings.job_env == "compatible")

    def _zygote_environ(self) -> dict[str, str]:
        return self._compatible_environ() if self._compatible else self._whitelisted()

    def _environ(self, spec: JobSpec) -> dict[str, str]:
        if spec.builtin:
            return self._whitelisted() | {name: self._settings.environ[name] for name in MAIL if name in self._settings.environ}
        if self._compatible and spec.secrets is None:
            return self._compatible_environ()
        return self._whitelisted() | (self._key_path() if any(secret["key"] == SSH_KEY for secret in spec.secrets or ()) else {})

    def _key_path(self) -> dict[str, str]:
        path = self._settings.ssh_key_path
        return {} if path is None else {SSH_KEY_PATH: str(path)}

    def _installer_environ(self) -> dict[str, str]:
        own = {name: value for name, value in self._settings.environ.items() if name.startswith(INSTALLER)}
        return self._zygote_environ() | own  # a requirement may name a variable, such as the token of an index

    def _whitelisted(self) -> dict[str, str]:
        return {name: self._settings.environ[name] for name in WHITELIST if name in self._settings.environ}

    def _compatible_environ(self) -> dict[str, str]:
        environ = self._settings.environ
        given = {
            name: value
            for name, value in environ.items()
            if name in self._whitelisted() or (name.removesuffix("_FILE") not in OWN and not name.startswith("SAURON_"))
        } | self._key_path()
        for setting in SETTINGS:  # DATABASE_URL and LIFE_HUB_DB_URL stand for each other
            names = (setting.name, *setting.aliases)
            value = next((environ[name] for name in names if name in given), None)
            if setting.aliases and value is not None:
                given |= {name: given.get(name, value) for name in names}
        return given

    def masker(self) -> Masker:
        """Answer what blots out every secret that is known: those of the settings, and those that jobs declare."""
        values = frozenset(value for name in self._declared if (value := self._value(name)))
        if self._known is None or self._known[0] != values:
            self._known = (values, Masker([*self._settings.secret_values, *values]))
        return self._known[1]

    def missing_secrets(self, spec: JobSpec) -> list[str]:
        """Answer the names of the required secrets of a job that are not set."""
        return self._secrets(spec)[1]

    def _secrets(self, spec: JobSpec) -> tuple[dict[str, str], list[str]]:
        """Answer the values of a job's declared secrets, and the names of required ones that are not set."""
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
        """Answer a secret's value, from the variable or from the file that NAME_FILE names."""
        environ: Mapping[str, str] = self._settings.environ
        if name in OWN or name.startswith("SAURON_"):
            return None
        if environ.get(name):
            return environ[name]
        for setting in SETTINGS:  # DATABASE_URL and LIFE_HUB_DB_URL stand for each other
            if name in {setting.name, *setting.aliases}:
                for other in (setting.name, *setting.aliases):
                    if environ.get(other):
                        return environ[other]
        if file := environ.get(f"{name}_FILE"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                return Path(file).read_text(encoding="utf-8").strip() or None
        return None

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _private_file(self, name: str, content: bytes) -> Path:
        if self._files is None:
            self._files = tempfile.TemporaryDirectory(prefix="sauron-")
        file = Path(self._files.name) / name
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        return file

    def _key_file(self) -> Path | None:
        settings = self._settings
        if settings.ssh_key_path is not None:
            return Path(settings.ssh_key_path)
        if settings.ssh_private_key_b64 is None:
            return None
        return self._private_file("key", settings.ssh_private_key_b64.rstrip() + b"\n")

    def _known_hosts_file(self) -> Path | None:
        text: str | None = self._settings.ssh_known_hosts
        if text is None:
            return None
        return self._private_file("known_hosts", text.encode() + b"\n") if " " in text else Path(text)

    def install_log(self, sha: str | None) -> str | None:
        """Answer the file that says how the requirements of a revision were installed, or None if it has none."""
        with contextlib.suppress(LoaderError):
            if sha and (folder := self._checkouts.path(sha)) and (file := self._environments.log_file(folder)):
                return str(file)
        return None

    # -- others -------------------------------------------------------------------------------------------------------

    @property
    def display_url(self) -> str | None:
        """The bundle's address without credentials."""
        with contextlib.suppress(LoaderError):
            return self._source.display_url if self._settings.jobs_git_repo_url else None
        return None

    def close(self) -> None:
        """End every process and remove the key files."""
        self._environments.close()
        if "_launcher" in self.__dict__:
            self._launcher.close()
        if self._files is not None:
            self._files.cleanup()
