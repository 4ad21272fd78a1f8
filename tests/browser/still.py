"""A server whose time stands still: the real pages over HTTP, and a store that only requests change.

`python -m tests.browser.still SCENE` serves the store of the current folder on a free port of loopback, by
the settings of its environment. SCENE is a module with `NOW`, the instant, and `fill(store)`, which puts
jobs and runs into the empty store. No clock ticks and no worker claims, so that a page is the same each time.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
from pathlib import Path

from chalicelib.settings import Settings
from chalicelib.wiring import PROCESS, RUNNER, build
from sauron.gateway import Gateway
from sauron.http import Server
from tests.conftest import ManualClock
from tests.e2e.outside import Served, begin, environ_of

HOST = "vault-1"


def main(scene_name: str) -> None:
    """Fill the store and serve until a signal ends the process."""
    scene = importlib.import_module(scene_name)
    socket.gethostname = lambda: HOST
    sauron = build(Settings.load(Path.cwd()), runtime=RUNNER, clock=ManualClock(scene.NOW))
    scene.fill(sauron.store)
    PROCESS.set(sauron)
    from app import app

    server = Server(Gateway(app), host="127.0.0.1", port=0)
    server.start()
    print("page and API  ", server.url, flush=True)
    signal.pause()


def still(folder: Path, scene: str, **environ: str) -> Served:
    """Start such a server in a new folder. Its store is `.sauron/sauron.sqlite3` below it."""
    folder.mkdir(parents=True, exist_ok=True)
    known = environ_of(**environ)
    with (
        Path(os.devnull).open("rb") as nothing,
        (folder / "stdout.txt").open("wb") as out,
        (folder / "stderr.txt").open("wb") as err,
    ):
        streams = [nothing.fileno(), out.fileno(), err.fileno()]
        process = begin("tests.browser.still", [scene], folder, known, streams)
    served = Served(folder, known, process)
    try:
        return served.until_listening()
    except BaseException:
        served.close()
        raise


if __name__ == "__main__":
    main(sys.argv[1])
