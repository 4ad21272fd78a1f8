"""Checks of the bundle: its address, who signs in, the branch, the host's key, the secrets of its jobs."""

from __future__ import annotations

import difflib

from .facts import Facts
from .finding import Finding, well, wrong

SHOWN = 5


def address(facts: Facts, check: str) -> Finding | None:
    """Whether the bundle's address can be used and answers."""
    settings = facts.settings
    if settings is None:
        return None
    if not settings.jobs_git_repo_url:
        return wrong(check, "no bundle is configured, so only builtin jobs run", "set JOBS_GIT_REPO_URL")
    for fault in (facts.address_fault, facts.remote_fault):
        if fault:
            what, _, cure = settings.masked(fault).replace("; ", ". ", 1).partition(". ")
            return wrong(check, what, cure or "write the address of a repository that git can clone")
    return well(check, "it answers" if facts.branches is not None else "it can be read")


def token_user(facts: Facts, check: str) -> Finding | None:
    """Whether the user that goes with the token is the one that its host expects."""
    settings = facts.settings
    if settings is None or not settings.jobs_git_token:
        return None
    url = settings.jobs_git_repo_url or ""
    if not url.lower().startswith(("http://", "https://")):
        return wrong(
            check,
            "JOBS_GIT_TOKEN is set, and the address takes no token",
            "write the https:// address, or unset it",
        )
    if facts.token_advice:
        return wrong(check, "the host refused the token", facts.token_advice)
    return well(check, "the token goes to its host alone")


def branch(facts: Facts, check: str) -> Finding | None:
    """Whether the branch that is to be followed is there."""
    if facts.settings is None or facts.branches is None:
        return None
    wanted = facts.settings.jobs_git_branch
    if not facts.branches:
        return wrong(check, "the repository has no branch yet", "push a first commit")
    if wanted is None or wanted in facts.branches:
        return well(check, wanted or "the default one")
    near = difflib.get_close_matches(wanted, facts.branches, n=1)
    there = ", ".join(facts.branches[:SHOWN])
    cure = f"did you mean JOBS_GIT_BRANCH={near[0]}?" if near else f"write one that is there: {there}"
    return wrong(check, f"the repository has no branch {wanted!r}", cure)


def folder(facts: Facts, check: str) -> Finding | None:
    """Whether the folder of the bundle is there in the repository."""
    if facts.settings is None or facts.subdir_there is None:
        return None
    wanted = facts.settings.jobs_git_subdir
    if facts.subdir_there:
        return well(check, f"{wanted} is there")
    return wrong(
        check,
        f"the repository has no folder {wanted}",
        "set JOBS_GIT_SUBDIR to the folder that holds manifest.py, or unset it if that is the top",
    )


def host_keys(facts: Facts, check: str) -> Finding | None:
    """Whether the key of an ssh bundle's host is known."""
    if facts.ssh_host is None or facts.host_known is None:
        return None
    if facts.host_known:
        return well(check, f"the key of {facts.ssh_host} is known")
    return wrong(
        check,
        f"the key of {facts.ssh_host} is not known, so git refuses it",
        f"run ssh-keyscan {facts.ssh_host}, compare it with what the host publishes, and set "
        "SAURON_SSH_KNOWN_HOSTS to it",
    )


def missing_secrets(facts: Facts, check: str) -> Finding | None:
    """Whether the secrets that jobs need are set."""
    if not facts.missing_secrets:
        return None if facts.missing_secrets is None else well(check, "none")
    names = sorted({name for names in facts.missing_secrets.values() for name in names})
    jobs = sorted(facts.missing_secrets)
    more = f" and {len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
    return wrong(
        check,
        f"{', '.join(jobs[:SHOWN])}{more} cannot run without {', '.join(names)}",
        f"set {', '.join(names)} in Sauron's environment (NAME_FILE names a file)",
    )
