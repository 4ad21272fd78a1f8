"""The errors of the loader: what a source, a start-up or a job definition got wrong.

Every message says what was wrong, where, and what to write instead; the facts it was
made of stay on the error as attributes. Errors carry no credentials: whoever raises one
with text from another program has redacted it before.
"""

from enum import StrEnum


class SourceFault(StrEnum):
    """What kind of thing is wrong with a bundle source."""

    ADDRESS = "address"  # the URL, path or ref is not one that is accepted
    ACCESS = "access"  # token or key missing, wrong or not allowed
    HOST_KEY = "host_key"  # the SSH server is not the one that known_hosts names, or not named there
    CERTIFICATE = "certificate"  # the TLS certificate is not trusted
    UNREACHABLE = "unreachable"  # no such host, refused, broken off
    TIMED_OUT = "timed_out"  # git was ended at the time limit
    NOT_A_REPOSITORY = "not_a_repository"  # something answers, but it is no git repository
    EMPTY = "empty"  # a repository without commits
    UNKNOWN_REF = "unknown_ref"  # no such branch, tag or commit
    UNSAFE_CONTENT = "unsafe_content"  # a link that leaves the tree
    STORAGE = "storage"  # our own folder cannot be written
    BUSY = "busy"  # another process holds the lock for too long
    TOOL = "tool"  # git or ssh is missing
    FAILED = "failed"  # git failed in words that are not known here


class LoaderError(Exception):
    """Something the loader was asked to do cannot be done as it stands."""


class SourceError(LoaderError):
    """The bundle source cannot be read: its address, its access or its content."""

    def __init__(
        self,
        message: str,
        *,
        fault: SourceFault = SourceFault.FAILED,
        url: str | None = None,
        ref: str | None = None,
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.url = url
        self.ref = ref


class BootError(LoaderError):
    """A bundle was read but could not be started."""


class DefinitionError(LoaderError):
    """A job definition does not say what a job needs to say."""
