"""The errors of the loader: faults of a source, of a boot or of a job definition.

Every message says what is wrong, where, and what to write instead; the facts are attributes of the error. No
error holds credentials: text of another program is masked before an error quotes it.
"""

from enum import StrEnum


class SourceFault(StrEnum):
    """The kinds of faults of a bundle source."""

    ADDRESS = "address"  # the URL, path or ref is not one that is accepted
    ACCESS = "access"  # token or key missing, wrong or not allowed
    HOST_KEY = "host_key"  # the SSH server's key differs from the one in known_hosts, or is missing there
    CERTIFICATE = "certificate"  # the TLS certificate is not trusted
    UNREACHABLE = "unreachable"  # no such host, refused, broken off
    TIMED_OUT = "timed_out"  # git was ended at the time limit
    NOT_A_REPOSITORY = (
        "not_a_repository"  # a server replies, or a folder exists, but it is not a git repository
    )
    INCOMPLETE = "incomplete"  # a repository that lacks the content of its files
    DAMAGED = "damaged"  # a repository whose objects are broken or lost
    OBJECT_FORMAT = "object_format"  # a repository with another kind of commit ids
    EMPTY = "empty"  # a repository without commits
    UNKNOWN_REF = "unknown_ref"  # no such branch, tag or commit
    UNSAFE_CONTENT = "unsafe_content"  # a link that leaves the tree
    STORAGE = "storage"  # the folder of the revisions cannot be written
    BUSY = "busy"  # another process holds the lock for too long
    TOOL = "tool"  # git or ssh is missing
    FAILED = "failed"  # git failed with a message that is not known here


class LoaderError(Exception):
    """The base of all errors of the loader."""


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
    """A job definition is missing or invalid."""
