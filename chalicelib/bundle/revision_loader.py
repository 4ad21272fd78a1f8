"""Loading one revision: its interpreter, its boot, what is to say of it, its commits.

Nothing here decides what becomes of the revision. Errors of the loader become BundleError, with every known
secret masked.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from chalicelib import logs
from chalicelib.clock import iso
from chalicelib.errors import BundleError
from chalicelib.model.jobs import JobSpec
from chalicelib.settings import Settings
from sauron_jobs_loader.checks.remark import Remark
from sauron_jobs_loader.environment import requirements
from sauron_jobs_loader.environment.environments import Environments
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.launch.launcher import Bundle, Launcher
from sauron_jobs_loader.masking import Masker

from .activation import Loaded
from .bundle_source import BundleSource
from .job_environment import JobEnvironment

log = logs.get(__name__)

# the fields of a job's record that the bundle's code writes freely
TEXTS = ("description", "entrypoint", "command", "project", "tags", "params")
UNEXPECTED_CHARS = 500  # of the message of an exception that nobody foresaw
WHY_SHOWN = 3  # remarks that the error of a revision that does not load quotes


class RevisionLoader:
    """Loads revisions of one bundle. Safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        job_environment: JobEnvironment,
        source: BundleSource,
        environments: Environments,
    ) -> None:
        self._settings = settings
        self._environment = job_environment
        self._source = source
        self._environments = environments
        # once a revision has its interpreter, requirements that a job writes into its folder change nothing
        self._pythons: dict[str, Path] = {}

    @contextlib.contextmanager
    def translated(self, doing: str | None = None) -> Iterator[None]:
        """Turn the loader's errors into BundleError, masked; with `doing`, every other one as well."""
        mask = self._environment.masker().text
        try:
            yield
        except BundleError:
            raise
        except LoaderError as error:
            raise BundleError(mask(str(error))) from None
        except Exception as error:
            if doing is None:
                raise
            log.exception("sync.internal_error", doing=doing)
            said = mask(f"{type(error).__name__}: {error}")[:UNEXPECTED_CHARS]
            raise BundleError(
                f"Something unexpected went wrong while {doing} ({said}). Sauron's log has the details."
            ) from error

    def load(self, sha: str, launcher: Launcher) -> Loaded:
        """Check a revision out and boot it with `launcher`.

        Raises BundleError; single faulty jobs are returned as rejected.
        """
        lacking = self._lacking(sha)
        try:
            with self.translated("loading the bundle"):
                bundle = self.boot(sha, launcher)
                commit = self._source.git.metadata(sha) or {}
        except BundleError as error:
            raise BundleError(" ".join([str(error), *lacking, *self._why_lacking(sha)])) from None
        found = loaded(
            bundle,
            self._source.remarks(sha, bundle, self._pythons.get(sha)),
            self._environment.masker(),
            subject=commit.get("subject"),
            author=commit.get("author"),
            authored_at=commit.get("authored_at"),
        )
        if not self._settings.function:
            return found
        from . import lambda_limits

        in_bundle = lambda_limits.is_file_of(self._source.folder(sha))
        jobs, refused = list(found.jobs), list(found.rejected)
        for record in found.jobs:
            if reasons := lambda_limits.refusals(
                JobSpec.from_record(record), unmet=lacking, in_bundle=in_bundle
            ):
                jobs.remove(record)
                refused.append(
                    {"job_id": record["id"], "place": record["place"], "reason": " ".join(reasons)}
                )
        return replace(found, jobs=jobs, rejected=refused)

    def _why_lacking(self, sha: str) -> list[str]:
        """Return what the tree of a revision that does not load may lack, as sentences."""
        mask = self._environment.masker()
        return [mask.text(f"Also, {one}.") for one in self._source.remarks(sha)[:WHY_SHOWN]]

    def _lacking(self, sha: str) -> list[str]:
        """Return what a revision requires and this Lambda function lacks.

        Elsewhere requirements are installed.
        """
        if not self._settings.function:
            return []
        from . import lambda_limits

        with self.translated():
            wanted = requirements.read(self._source.folder(sha))
        return lambda_limits.unmet(wanted.wanted, lambda_limits.installed()) if wanted else []

    def boot(self, sha: str, launcher: Launcher) -> Bundle:
        """Boot a revision with `launcher`, and learn the names of its secrets.

        Raises LoaderError, BundleError.
        """
        folder = self._source.folder(sha)
        bundle = launcher.boot(sha, folder, self._environment.zygote(), python=self.python(sha, folder))
        self._environment.learn(
            str(secret["key"]) for record in bundle.jobs for secret in record["secrets"] or ()
        )
        return bundle

    def python(self, sha: str, folder: Path) -> Path:
        """Return the interpreter of a revision, after installing its requirements.

        On Lambda it is Sauron's own.
        """
        if self._settings.function:
            return Path(sys.executable)
        known = self._pythons.get(sha)
        if known is None or not known.is_file():
            known = self._pythons[sha] = self._environments.python(folder)
        return known

    def forget(self, keep: Collection[str]) -> None:
        """Forget the interpreters of revisions that are not in `keep`."""
        for sha in [sha for sha in self._pythons if sha not in keep]:
            self._pythons.pop(sha, None)

    def commits(self, base: str | None, sha: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the commits of a revision that `base` lacks, and those of `base` that it lacks.

        Each is {sha, author, date, subject}, the newest first. Without history there is the newest alone.
        """
        mask = self._environment.masker()
        with self.translated("reading the commits"):
            new, undone = self._source.git.commits(base, sha)
        return [_commit(one, mask) for one in new], [_commit(one, mask) for one in undone]


def loaded(
    bundle: Bundle,
    remarks: Iterable[Remark],
    mask: Masker,
    *,
    subject: str | None = None,
    author: str | None = None,
    authored_at: datetime | None = None,
) -> Loaded:
    """Return what a boot returned, with every known secret masked in what the bundle's code writes freely."""
    return Loaded(
        [{**record, **{name: mask.value(record[name]) for name in TEXTS}} for record in bundle.jobs],
        [
            {"job_id": one.job_id, "place": one.place, "reason": mask.text(one.reason)}
            for one in bundle.rejected
        ],
        subject,
        author,
        [mask.value(one.record()) for one in remarks],
        authored_at,
    )


def _commit(found: Mapping[str, Any], mask: Masker) -> dict[str, Any]:
    at = found["authored_at"]
    return {
        "sha": found["sha"],
        "author": mask.text(found["author"]),
        "date": None if at is None else iso(at),
        "subject": mask.text(found["subject"]),
    }
