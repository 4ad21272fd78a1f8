"""The meaning of git's error messages: which fault it is, and what to do about it.

git and ssh write English here (LC_ALL=C), in words that have been the same for many versions. A message that
is not recognised is passed on as it is. Quoted messages are masked first.
"""

import re
from datetime import timedelta

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.masking import PUBLIC_USERS, shown_address

from .address import GitAddress
from .command import GitResult
from .hosts import user_advice
from .http_answers import SIGN_IN, meaning, status_in

_QUOTE_LIMIT = 400
_REDIRECTED = re.compile(
    r"unable to update url base from redirection:\s+asked for: .*\s+redirect: (?P<there>\S+)"
)
_OF_THE_DISK = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system")

# Order matters: the signs of a cause come before the signs of its effects.
_SIGNS: tuple[tuple[SourceFault, str], ...] = (
    (SourceFault.STORAGE, r"No space left on device|Disk quota exceeded|Read-only file system"),
    (
        SourceFault.STORAGE,
        r"insufficient permission for adding an object|could not create (work tree|leading)",
    ),
    (SourceFault.INCOMPLETE, r"promisor remote|lazy fetching disabled"),
    (
        SourceFault.DAMAGED,
        r"possible repository corruption|object file \S+ is empty|loose object .* is corrupt",
    ),
    (SourceFault.OBJECT_FORMAT, r"mismatched algorithms"),
    (SourceFault.TOOL, r"cannot run ssh|ssh: (command )?not found|unable to find remote helper"),
    (SourceFault.HOST_KEY, r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED"),
    (
        SourceFault.CERTIFICATE,
        r"SSL certificate problem|certificate verification failed|CAfile|SSL: no alternative cert",
    ),
    (SourceFault.ADDRESS, r"transport '\w+' not allowed"),
    (
        SourceFault.ACCESS,
        r"Authentication failed|could not read (Username|Password)|returned error: 40[13]|Access denied",
    ),
    (SourceFault.ACCESS, r"Permission denied \(|UNPROTECTED PRIVATE KEY|Too many authentication failures"),
    (
        SourceFault.NOT_A_REPOSITORY,
        r"[Rr]epository .*not found|returned error: 404|not valid: is this a git repository",
    ),
    (
        SourceFault.NOT_A_REPOSITORY,
        r"does not appear to be a git repository|Could not find repository",
    ),
    (
        SourceFault.UNREACHABLE,
        r"Could not resolve|Name or service not known|Temporary failure in name resolution",
    ),
    (
        SourceFault.UNREACHABLE,
        r"Failed to connect|Couldn't connect|Connection (refused|timed out|reset|closed)",
    ),
    (
        SourceFault.UNREACHABLE,
        r"Network is unreachable|No route to host|returned error: 5\d\d|Empty reply|early EOF",
    ),
    (SourceFault.UNREACHABLE, r"RPC failed|Recv failure|kex_exchange_identification|Operation timed out"),
    (
        SourceFault.UNREACHABLE,
        r"SSL_ERROR_SYSCALL|GnuTLS recv error|TLS connection was non-properly|CONNECT tunnel failed",
    ),
    (SourceFault.ADDRESS, r"Maximum \(\d+\) redirects|URL rejected|bad/illegal format|no host in"),
)

_PLAIN_ADVICE = {
    SourceFault.TIMED_OUT: (
        "it took longer than {seconds} seconds and was ended; check that {host} answers, "
        "or allow more time (SAURON_GIT_TIMEOUT_SECONDS)"
    ),
    SourceFault.CERTIFICATE: (
        "the TLS certificate of {host} is not trusted; if it was issued by a CA of your own, "
        "set SSL_CERT_FILE to a file with that CA"
    ),
    SourceFault.NOT_A_REPOSITORY: (
        "there is no git repository at that address; check the path in JOBS_GIT_REPO_URL "
        "(without access, a private repository looks like this too)"
    ),
    SourceFault.UNREACHABLE: (
        "{where} cannot be reached, or the connection broke off; check the name, the network and the server"
    ),
    SourceFault.INCOMPLETE: (
        "the repository there is a partial clone (made with --filter): it lacks the content of files; "
        "run `git fetch --refetch --no-filter` in it, or write the address that it was cloned from"
    ),
    SourceFault.DAMAGED: (
        "the repository there is damaged or lacks objects; run `git fsck` in it, and push or clone it again"
    ),
    SourceFault.OBJECT_FORMAT: (
        "the repository there was made with --object-format=sha256; write one with the usual SHA-1 commit ids"
    ),
    SourceFault.STORAGE: "the folder for revisions cannot be written; free some space or make it writable",
    SourceFault.TOOL: "a program that git needs is missing; for ssh addresses install openssh-client",
    SourceFault.ADDRESS: "git refuses this address or its redirect; write the final https or ssh address",
}


def explain(
    result: GitResult,
    address: GitAddress,
    *,
    limit: timedelta,
    known_hosts: str | None = None,
    key: str | None = None,
) -> SourceError:
    """Return the error for a failed fetch from `address`."""
    said = address.redact(result.stderr)
    if result.timed_out:
        fault = SourceFault.TIMED_OUT
    elif redirected := _REDIRECTED.search(said):
        return away(address, redirected["there"])
    elif (status := status_in(said)) and not _OF_THE_DISK.search(said):
        return status_error(status, address, said=said, limit=limit)
    else:
        fault = next((fault for fault, sign in _SIGNS if re.search(sign, said)), SourceFault.FAILED)
    return fault_error(fault, address, said=said, limit=limit, known_hosts=known_hosts, key=key)


def status_error(
    status: int, address: GitAddress, *, said: str, limit: timedelta, speaker: str = "git"
) -> SourceError:
    """Return the error for an HTTP status from `address`. `said` is the masked message of `speaker`."""
    fault, sentence = meaning(status)
    sentence = sentence.format(host=address.host)
    return fault_error(fault, address, said=said, limit=limit, speaker=speaker, sentence=sentence)


def away(address: GitAddress, there: str) -> SourceError:
    """Return the error that an address was redirected to `there`, which is no repository."""
    return SourceError(
        f"cannot fetch the bundle from {address.display}: {SIGN_IN.format(there=shown_page(there))}",
        fault=SourceFault.ADDRESS,
        url=address.display,
    )


def shown_page(url: str) -> str:
    """Return the address of a page without credentials, and without the query, which may hold some."""
    return shown_address(re.split(r"[?#]", url, maxsplit=1)[0].removesuffix("/info/refs"))


def fault_error(
    fault: SourceFault,
    address: GitAddress,
    *,
    said: str,
    limit: timedelta,
    known_hosts: str | None = None,
    key: str | None = None,
    speaker: str = "git",
    sentence: str = "",
) -> SourceError:
    """Return the error for a fault. `said` is the masked message of `speaker`; `sentence` is its advice."""
    advice = sentence or _advice(fault, address, said=said, limit=limit, known_hosts=known_hosts, key=key)
    message = f"cannot fetch the bundle from {address.display}: {advice or speaker + ' failed'}"
    if quoted := last_words(said):
        message += f" ({speaker} said: {quoted})"
    return SourceError(message, fault=fault, url=address.display)


def _advice(
    fault: SourceFault,
    address: GitAddress,
    *,
    said: str,
    limit: timedelta,
    known_hosts: str | None,
    key: str | None,
) -> str:
    host = address.host or "this machine"
    if fault is SourceFault.ACCESS:
        return _access_advice(address, host, key)
    if fault is SourceFault.HOST_KEY:
        return _host_key_advice(address, host, said, known_hosts)
    where = f"{host}, port {address.port}," if address.port else host
    advice = _PLAIN_ADVICE.get(fault, "")
    return advice.format(host=host, where=where, seconds=f"{limit.total_seconds():g}")


def _access_advice(address: GitAddress, host: str, key: str | None) -> str:
    if address.scheme == "ssh":
        refused = f"the key {key}" if key else "any ssh key of this user"
        return (
            f"{host} does not accept {refused}; add its public half there as a deploy key with read access, "
            "and keep the private half at mode 0600 and without a passphrase"
        )
    if address.token is None:
        return (
            f"no token is given, and {host} asks for a token; "
            f"set JOBS_GIT_TOKEN to one that may read the repository ({user_advice(host)})"
        )
    user = f"the user {address.token_user!r}" if address.token_user in PUBLIC_USERS else "the address's user"
    if address.token_alone:
        return (
            f"{host} does not accept what stands before the @ of the address as the token, with {user}; if "
            "that is a user name, no token is given: set JOBS_GIT_TOKEN to one that may read the repository"
        )
    return (
        f"{host} does not accept the token with {user}; set JOBS_GIT_TOKEN to a valid one that may read the "
        f"repository ({user_advice(host)})"
    )


def _host_key_advice(address: GitAddress, host: str, said: str, known_hosts: str | None) -> str:
    file = known_hosts or "~/.ssh/known_hosts"
    port = f"-p {address.port} " if address.port else ""
    lookup = f"[{host}]:{address.port}" if address.port else host
    scan = f"ssh-keyscan {port}{host} >> {file}"
    check = "and compare it with the fingerprint that the host's owner publishes"
    if "IDENTIFICATION HAS CHANGED" in said:
        return (
            f"{host} shows another host key than {file} holds; if its owner announced a new one, "
            f"run `ssh-keygen -R '{lookup}' -f {file}` and `{scan}`, {check}"
        )
    return f"the host key of {host} is not in {file}; add it with `{scan}` {check}"


def last_words(said: str) -> str:
    """Return the lines of git's output that name the cause, as one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [
        line for line in lines if re.match(r"(fatal|error|remote|ssh|ERROR|Load key|Host key)\b.{3,}", line)
    ]
    return "; ".join((telling or lines)[-3:])[:_QUOTE_LIMIT]
