"""Gather the facts that the doctor judges. Nothing is made, migrated or changed.

What asks the network or a server has a thread of its own and a limit: a fact that does not come in time is a
fault of the one that was asked. All together take no longer than the slowest.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError, SQLAlchemyError

from chalicelib import logs
from chalicelib.alerting.messages import channels
from chalicelib.answers.doctor import Facts, Place, examine
from chalicelib.bundle import repository_facts
from chalicelib.bundle.from_loader import memory_limit_mb
from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.clock import Clock
from chalicelib.errors import StoreError
from chalicelib.operations.missing_secrets import missing_secrets
from chalicelib.settings import Settings
from chalicelib.store import Store, duties, permissions
from sauron_jobs_loader.ownership import owner_name

SECONDS = 6.0  # for everything that asks the network or a server
ROOT = Path("/")
LONGEST_NAME = 255  # bytes
Gatherer = Callable[[], Mapping[str, Any]]

HELD = "Does another process hold its file, or is the network wrong?"


def gather(
    settings: Settings | None,
    clock: Clock,
    *,
    faults: tuple[str, ...] = (),
    outside: bool = True,
    root: Path = ROOT,
    seconds: float = SECONDS,
) -> Facts:
    """Return the facts of this machine; without `outside` those alone that cost nothing and ask nobody.

    `root` is the file system in which the limits of a container are looked for.
    """
    found: dict[str, Any] = {"zones": _zones(), **_container(root)}
    if settings is not None:
        store = _sqlite_path(settings)
        found |= {
            "places": [_place(folder) for folder in ([store.parent] if store else []) + [settings.jobs_dir]],
            "sqlite_version": sqlite3.sqlite_version_info if store else None,
            "channels": channels(settings),
            "disk_free_mb": _free_mb(store or settings.jobs_dir),
            "stop_grace_seconds": _grace(settings.environ.get("STOP_GRACE_PERIOD", "")),
            **repository_facts.of_address(settings),
        }
        if outside:
            gatherers: dict[str, Gatherer] = {
                "store_fault": lambda: _store(settings, store),
                "remote_fault": lambda: repository_facts.of_remote(settings, seconds),
                "sender_fault": lambda: _sender(settings),
            }
            found |= together(gatherers, seconds)
    return Facts(now=clock.now(), settings=settings, faults=faults, **found)


def advice(settings: Settings, clock: Clock) -> list[str]:
    """Return what is not well, a sentence each with its cure, as far as it can be told without asking."""
    found = examine(gather(settings, clock, outside=False))
    return [settings.masked(f"{one.check}: {one.found}; {one.fix}") for one in found if not one.ok]


def together(gatherers: Mapping[str, Gatherer], seconds: float) -> dict[str, Any]:
    """Ask all at once; return their facts. Who has not answered in time has that as its fault."""
    answers: dict[str, Mapping[str, Any]] = {}

    def ask(name: str, gatherer: Gatherer) -> None:
        try:
            answers[name] = gatherer()
        except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not an end
            answers[name] = {name: logs.reason(error)}

    threads = [threading.Thread(target=ask, args=one, daemon=True) for one in gatherers.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    found: dict[str, Any] = {}
    for name in gatherers:
        cure = HELD if name == "store_fault" else "Is the network right?"
        found |= answers.get(name, {name: f"no answer within {seconds:g} s. {cure}"})
    return found


def _sqlite_path(settings: Settings) -> Path | None:
    from sqlalchemy.engine import make_url

    url = make_url(settings.store_url)
    return Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None


def _place(folder: Path) -> Place:
    near = next((one for one in (folder, *folder.parents) if _is_there(one)), ROOT)
    if not near.is_dir():
        return Place(str(folder), fault=f"a file is in the way; name another place than {folder}")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in folder.parts):
        return Place(
            str(folder), fault=f"a name in it is longer than {LONGEST_NAME} bytes; write a shorter one"
        )
    if not os.statvfs(near).f_blocks:  # /proc and /sys: root seems to be allowed to write there
        return Place(str(folder), fault=f"{near} keeps no files; name a folder on a disk")
    if not os.access(near, os.W_OK | os.X_OK):
        error = PermissionError(13, os.strerror(13))
        return Place(str(folder), fault=permissions.unwritable(folder, error, below=folder))
    if near != folder:
        return Place(str(folder))
    state = folder.stat()
    owner = owner_name(state.st_uid) if state.st_uid != os.geteuid() else None
    shared = state.st_mode & stat.S_ISVTX or Path.cwd().is_relative_to(folder)
    return Place(str(folder), mode=None if shared else stat.S_IMODE(state.st_mode), owner=owner)


def _is_there(place: Path) -> bool:
    """Return whether a file or folder is there, as far as this user may see; no place is an error."""
    return os.path.exists(place)  # noqa: PTH110 - Path.exists raises for a folder that is closed to this user


def _free_mb(place: Path) -> int | None:
    near = next((one for one in (place, *place.parents) if _is_there(one)), None)
    return None if near is None else shutil.disk_usage(near).free >> 20


def _zones() -> bool:
    try:
        return ZoneInfo("Europe/Berlin") is not None
    except (OSError, ValueError, LookupError):
        return False


def _container(root: Path) -> dict[str, Any]:
    inside = any((root / name).exists() for name in (".dockerenv", "run/.containerenv"))
    return {"in_container": inside, "memory_mb": memory_limit_mb(root)}


def _grace(written: str) -> float | None:
    """Read a duration of docker compose such as 1m30s."""
    read = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", written.strip())
    if not written.strip() or read is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in read.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def _store(settings: Settings, path: Path | None) -> dict[str, Any]:
    """Return what the store says, or why it cannot be read. A store that is not there yet is not a fault."""
    if path is not None and not _is_there(path):
        return {}
    store = Store(settings.store_url, backups=settings.backup_dir, ca=settings.db_ca, busy_seconds=1)
    try:
        if store.file is not None and store.file.is_soon_examined:
            store.examine()
        environment = JobEnvironment(settings)
        with store.read() as tx:
            last_tick = duties.furthest_tick(tx)
            missing = missing_secrets(tx, environment.missing)
            off = None
            if not store.sqlite:
                begun = time.time()
                server = tx.execute(text("SELECT clock_timestamp()")).scalar_one().timestamp()
                off = (begun + time.time()) / 2 - server
        return {
            "store_read": True,
            "last_tick": last_tick,
            "missing_secrets": {one["job_id"]: one["missing"] for one in missing},
            "clock_ahead_seconds": off,
        }
    except StoreError as error:
        return {"store_fault": settings.masked(str(error))}
    except SQLAlchemyError as error:
        reason = settings.masked(logs.reason(error).splitlines()[0])
        return {"store_fault": f"the store cannot be read ({reason}). {_cure(store, error)}"}
    finally:
        store.close()


def _cure(store: Store, error: SQLAlchemyError) -> str:
    """Return what helps against a store that cannot be read."""
    if "not a database" in str(error):
        return "Put a copy in its place: sauron restore FILE (docs/restore.md)"
    if isinstance(error, DBAPIError) and not store.sqlite and not isinstance(error, ProgrammingError):
        return "Look whether the server runs, and at host, port and user in JOB_QUEUE_DB_URL"
    return "Start Sauron, or run: sauron migrate"


def _sender(settings: Settings) -> dict[str, Any]:
    """Ask SES whether it knows the sender. Only where keys of SES's own are set."""
    from email.utils import parseaddr

    keys = settings.aws_ses_access_key_id, settings.aws_ses_secret_access_key
    sender = parseaddr(settings.from_email or "")[1]
    if not all(keys) or not sender:
        return {}
    from boto3.session import Session
    from botocore.config import Config

    environ = settings.environ
    client = Session().client(
        "ses",
        region_name=settings.aws_ses_region,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        endpoint_url=environ.get("AWS_ENDPOINT_URL_SES") or environ.get("AWS_ENDPOINT_URL"),
        config=Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1}),
    )
    names = [sender, sender.rpartition("@")[2]]
    answer = client.get_identity_verification_attributes(Identities=names)["VerificationAttributes"]
    if any(one.get("VerificationStatus") == "Success" for one in answer.values()):
        return {}
    return {"sender_fault": f"SES does not know {sender} as verified"}
