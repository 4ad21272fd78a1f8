"""Attack a Sauron of this run on this machine, and print what was tried and what got through: `make attack`.

It starts two real servers on free ports of loopback, one with a token of each scope and one that is open, and
ends by itself within two minutes. The exit code is 1 if anything got through, also a control: something that
is allowed and was refused, so that other refusals prove nothing.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import app as application
from tests.attack import browsers, credentials, git_addresses, leaks, load, requests, sign_in
from tests.attack.judge import Attempt, Kind, table
from tests.attack.target import Target, resident_megabytes, serving

RUN_SECONDS = 115


class Report:
    """What was tried, kind by kind."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = []

    def kind(self, name: str, act: Callable[[Kind], object]) -> Kind:
        """Do what belongs to one kind and keep its figures; an attack that breaks off is told as such."""
        kind = Kind(name)
        self.kinds.append(kind)
        began = time.monotonic()
        try:
            act(kind)
        except Exception as error:  # noqa: BLE001 - any: the others are to be tried still
            kind.note("the attack itself", f"it broke off: {error!r}")
        sys.stderr.write(f"{name}: {kind.tries} tries, {time.monotonic() - began:.1f} s\n")
        return kind

    def refused(self, name: str, target: Target, attempts: Callable[[], Iterable[Attempt]]) -> None:
        """Send attempts of one kind; together they change nothing, and others are still served."""

        def act(kind: Kind) -> None:
            before = target.facts()
            kind.run(target.aim, attempts())
            after = target.facts()
            changed = [fact for fact, value in before.items() if after[fact] != value]
            kind.note("nothing has changed", f"changed: {', '.join(changed)}" if changed else None)
            load.served_others(target, kind)

        self.kind(name, act)


def attack(guarded: Target, opened: Target, folder: Path) -> Report:
    """Try every kind once."""
    report = Report()
    slow = load.SlowClients(guarded)
    routes = application.app.routes
    report.refused("bad credentials", guarded, lambda: credentials.bad_credentials(guarded))
    report.refused("routes and scopes", guarded, lambda: credentials.scope_matrix(guarded, routes))
    report.refused("method overrides", guarded, lambda: credentials.methods(guarded))
    report.refused("sign-in, guessed or of another site", guarded, lambda: sign_in.guesses(guarded))
    report.refused("cookies, forged or out of place", guarded, lambda: sign_in.cookies(guarded))
    report.refused("sign-in that leads away", guarded, lambda: sign_in.redirects(guarded))
    report.refused("cross-site posts, with tokens", guarded, lambda: browsers.cross_site(guarded))
    report.refused("cross-site posts, open", opened, lambda: browsers.cross_site(opened))
    report.refused("DNS rebinding", opened, lambda: browsers.rebinding(opened))
    report.refused("path tricks", guarded, lambda: requests.paths(guarded))
    report.refused("header smuggling", guarded, lambda: requests.smuggling(guarded))
    assert guarded.served is not None
    before = resident_megabytes(guarded.served.process.pid)
    report.refused("heads and bodies too large", guarded, lambda: load.sizes(guarded))
    load.memory(guarded, report.kinds[-1], before)
    report.kind(
        "markup in params, reasons, paths", lambda kind: kind.run(guarded.aim, browsers.markup(guarded))
    )
    report.kind("git addresses and refs", lambda kind: git_addresses.addresses(folder / "addresses", kind))
    report.kind("git repositories", lambda kind: git_addresses.repositories(folder / "repositories", kind))
    report.kind("slow clients", slow.judge)
    report.kind("secrets in answers, logs, files", lambda kind: leaks.of_server(guarded, kind))
    report.kind("secrets of a git that fails", lambda kind: leaks.of_git(folder, kind))
    return report


def main() -> int:
    """Return 1 if something got through."""
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _took_too_long)
    signal.alarm(RUN_SECONDS)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sauron-attack-")))
        for name in ("guarded", "open", "addresses", "repositories"):
            (folder / name).mkdir()
        guarded, opened = (
            stack.enter_context(serving(folder / name, guarded=name == "guarded"))
            for name in ("guarded", "open")
        )
        report = attack(guarded, opened, folder)
    print(table(report.kinds))
    took = time.monotonic() - began
    print(f"{datetime.now(UTC):%Y-%m-%d}, {took:.0f} seconds: python -m tests.attack")
    return 1 if any(kind.through for kind in report.kinds) else 0


def _took_too_long(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(f"It took more than {RUN_SECONDS} seconds. Run it again on a quieter machine.")


if __name__ == "__main__":
    sys.exit(main())
