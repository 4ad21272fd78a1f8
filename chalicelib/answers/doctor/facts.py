"""The facts about a deployment that the checks judge. None: it could not be learnt, or nobody asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that Sauron keeps: what cannot be written there, with its cure, and its rights."""

    path: str
    fault: str | None = None
    mode: int | None = None  # the permission bits; None where there is no folder yet
    owner: str | None = None  # another user to whom it belongs


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is so at one instant. `settings` are those that can be read; `faults` are those of others."""

    now: datetime
    settings: Settings | None
    faults: Sequence[str] = ()
    places: Sequence[Place] = ()
    store_fault: str | None = None
    store_read: bool = False
    sqlite_version: tuple[int, ...] | None = None  # None where the store is PostgreSQL
    last_tick: datetime | None = None
    clock_ahead_seconds: float | None = None  # of the database server's
    zones: bool = True
    address_fault: str | None = None
    token_advice: str | None = None  # why a git token may be refused
    remote_fault: str | None = None
    branches: Sequence[str] | None = None
    subdir_there: bool | None = None  # whether the branch holds JOBS_GIT_SUBDIR
    ssh_host: str | None = None  # the host of an ssh bundle
    host_known: bool | None = None
    missing_secrets: Mapping[str, Sequence[str]] | None = None
    channels: Sequence[str] = ()  # through which alerts go out
    sender_fault: str | None = None
    disk_free_mb: int | None = None
    memory_mb: int | None = None  # the limit of this process's cgroup
    in_container: bool = False
    stop_grace_seconds: float | None = None
