"""What the bundle's address and its repository say, for the doctor. Nothing is fetched or written."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Settings
from sauron_jobs_loader.errors import LoaderError, SourceError, SourceFault

from .key_files import KeyFiles

if TYPE_CHECKING:
    from sauron_jobs_loader.git.source import GitSource


def of_address(settings: Settings) -> dict[str, Any]:
    """Return what the bundle's address says without asking its host."""
    from sauron_jobs_loader.git.address import parse_address
    from sauron_jobs_loader.toolkit.known_hosts import DEFAULT_PORT, HostKeyError, KnownHosts, host_name

    if not settings.jobs_git_repo_url:
        return {}
    try:
        address = parse_address(settings.jobs_git_repo_url, token=settings.jobs_git_token)
    except SourceError as error:
        return {"address_fault": str(error)}
    if address.scheme != "ssh" or address.host is None:
        return {}
    try:
        known = KnownHosts.read(settings.environ)
    except HostKeyError as error:
        return {"address_fault": str(error)}
    kinds = known.kinds(host_name(address.host, address.port or DEFAULT_PORT))
    return {"ssh_host": address.host, "host_known": bool(kinds)}


def of_remote(settings: Settings, seconds: float) -> dict[str, Any]:
    """Return the branches of the bundle's repository, or why it does not answer."""
    from sauron_jobs_loader.git.hosts import user_advice
    from sauron_jobs_loader.git.source import GitSource

    if (
        not settings.jobs_git_repo_url
        or shutil.which("git") is None
        or of_address(settings).get("address_fault")
    ):
        return {}
    files = KeyFiles(settings)
    try:
        source = GitSource(
            settings.jobs_git_repo_url,
            root=settings.jobs_dir,
            branch=settings.jobs_git_branch,
            token=settings.jobs_git_token,
            ssh_key_file=files.key(),
            known_hosts_file=files.known_hosts(),
            timeout=timedelta(seconds=max(1.0, seconds - 1)),
        )
        heads = source.heads()
        return {"branches": heads, "subdir_there": _subdir_there(source, heads, settings)}
    except LoaderError as error:
        refused = isinstance(error, SourceError) and error.fault is SourceFault.ACCESS
        host = re.match(r"https?://(?:[^/@]*@)?([^/:]+)", settings.jobs_git_repo_url)
        advice = user_advice(host[1]) if refused and host and settings.jobs_git_token else None
        return {"remote_fault": settings.masked(str(error)), "token_advice": advice}
    finally:
        files.close()


def _subdir_there(source: GitSource, heads: list[str], settings: Settings) -> bool | None:
    """Return whether the branch holds the bundle's folder; None if none is set or it cannot be told."""
    folder, branch = settings.jobs_git_subdir, settings.jobs_git_branch
    branch = branch or ("main" if "main" in heads else "HEAD")
    known = folder is not None and branch in {"HEAD", *heads}
    return source.has_folder(str(folder), branch=branch) if known else None
