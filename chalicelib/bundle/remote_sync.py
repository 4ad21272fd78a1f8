"""Asking the sync function: on Lambda, API Gateway waits 29 seconds, too few to fetch a bundle.

The sync function is the scheduled handler itself, called with an event like its rule's whose detail says what
is asked: a sync, a rollback, or a revision to compare with what is in force. A sync that takes longer than
`WAIT_SECONDS` goes on; the caller is told that it is still running.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.answers.job_set import Candidate
from chalicelib.aws.eventbridge import event
from chalicelib.clock import Clock
from chalicelib.errors import BundleError, NoBundleError, UnknownRefError, UnknownRevisionError

from .report import SyncReport

WAIT_SECONDS = 20.0  # API Gateway gives up after 29
STILL_RUNNING = "still running"
SUFFIX = "-sync"  # what the sync function's name ends with


class RemoteBundle:
    """Has another Lambda function sync, and waits for its report up to `wait_seconds`."""

    def __init__(self, application: str, clock: Clock, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Ask the sync function of an application, such as `sauron-prod`."""
        self._function = application + SUFFIX
        self._clock = clock
        self._wait_seconds = wait_seconds

    def sync(
        self, *, ref: str | None = None, accept_removals: bool = False, by: str | None = None
    ) -> SyncReport:
        """Sync now. Without `ref` an earlier pin is let go. Raises BundleError."""
        return self._report({"act": "sync", "ref": ref, "accept_removals": accept_removals, "by": by})

    def rollback(self, sha: str, *, by: str | None = None) -> SyncReport:
        """Activate an earlier revision and pin it. Raises UnknownRevisionError, BundleError."""
        return self._report({"act": "rollback", "sha": sha, "by": by})

    def candidate(self, ref: str | None) -> Candidate:
        """Load a branch, tag or commit (None: the newest of the followed branch); activate nothing.

        Raises UnknownRefError, and BundleError for what cannot be fetched or takes too long.
        """
        said = self._ask({"act": "candidate", "ref": ref})
        if said is None:
            raise BundleError(
                f"Loading the revision takes longer than {self._wait_seconds:g} s. Ask again in a minute."
            )
        if "no_bundle" in said:
            raise NoBundleError
        if "unknown_ref" in said:
            raise UnknownRefError(said["unknown_ref"])
        if "failed" in said:
            raise BundleError(said["failed"])
        return Candidate(**said)

    def _report(self, detail: Mapping[str, Any]) -> SyncReport:
        said = self._ask(detail)
        if said is None:
            return SyncReport(False, STILL_RUNNING)
        if said.get("unknown_revision"):
            raise UnknownRevisionError(said["unknown_revision"])
        report: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in said.items()
        }
        return SyncReport(**report)

    def _ask(self, detail: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the function says, None if it takes too long. Raises BundleError."""
        reply = self._invoke(detail, wait=True)
        if reply is None:
            return None
        said = json.loads(reply["Payload"].read() or "null")
        if "FunctionError" in reply or not isinstance(said, dict):
            raise BundleError(f"The function {self._function} failed; its log says why.")
        return said

    def ask(self) -> None:
        """Have the bundle synced after a push, without waiting. A pin stays. Raises BundleError."""
        self._invoke({"act": "push"}, wait=False)

    def _invoke(self, detail: Mapping[str, Any], *, wait: bool) -> Any:
        """Return the function's reply, None if it takes longer than is waited for."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

        once = Config(read_timeout=self._wait_seconds, connect_timeout=5, retries={"total_max_attempts": 1})
        payload = json.dumps(event("sync", self._clock.now()) | {"detail": detail}).encode()
        kind: Any = "RequestResponse" if wait else "Event"
        try:
            return boto3.client("lambda", config=once).invoke(
                FunctionName=self._function, InvocationType=kind, Payload=payload
            )
        except ReadTimeoutError:
            return None
        except (BotoCoreError, ClientError) as error:
            raise BundleError(f"The function {self._function} cannot be called: {error}") from None
