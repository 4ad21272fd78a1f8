"""The server process: HTTP, clock and workers, from reading the settings to draining the last run.

    1. close the memory to other processes; let all threads share one heap
    2. read the settings; report all faults at once and exit with 2
    3. keep new files private to this user, and send logs to standard error
    4. open the store and bind the address
    5. join the other runners; start the clock and the workers; the clock ticks with the stored registry,
       then syncs
    6. serve HTTP
    7. print where the API is, what is scheduled and how to change a job
    8. wait for SIGTERM, SIGINT or a thread that died
    9. stop claiming, let running attempts finish within the drain time, release unstarted claims,
       stop HTTP and exit

A second signal ends the process at once, as `kill -9` does. Its job processes notice that and end too, and
the next start records their runs as interrupted. If the clock or a worker thread died, the exit code is 1,
so that the container restarts.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import FrameType

from chalicelib import __version__, logs, wiring
from chalicelib.errors import SauronError, SettingsError
from chalicelib.runtime import runner
from chalicelib.runtime.closed_memory import close_memory
from chalicelib.runtime.heap import share_heap
from chalicelib.settings import Settings
from chalicelib.text import safe
from sauron_jobs_loader import job_umask

from .gateway import Gateway
from .http import Server
from .startup_banner import StartupBanner

log = logs.get(__name__)

CHECK_SECONDS = 1.0  # between checks for a dead thread
CLOSE_LIMIT = timedelta(seconds=5)  # for open requests to finish
STOP_MARGIN = timedelta(seconds=20)  # beyond drain, kill grace and close limit the stop itself hangs


def main() -> int:
    """Run Sauron until a signal or a dead thread ends it; return the exit code."""
    if wrong := [one for one in sys.argv[1:] if sys.argv[0].endswith("main.py")]:
        help_wanted = wrong[0] in {"-h", "--help"}
        print(  # noqa: T201 - for a person
            __doc__
            if help_wanted
            else f"sauron: unknown argument {wrong[0]!r}; sauron.main takes no arguments, only settings"
        )
        return 0 if help_wanted else 2
    close_memory()
    share_heap()
    try:
        settings = Settings.load(Path.cwd())
    except SettingsError as error:
        sys.stderr.write(f"sauron: {error}\n")
        return 2
    job_umask.keep_files_private()
    logs.capture_crashes()
    logs.configure(settings.log_level, secrets=settings.secret_values)
    if (file := Path.cwd() / ".env").is_file():
        log.info("settings.file_read", path=str(file))
    for warning in settings.warnings:
        log.warning("setting.ignored", detail=warning)
    try:
        return _serve(settings)
    except SauronError as error:
        sys.stderr.write(f"sauron: {settings.masked(safe(str(error)))}\n")
        return 1


def _serve(settings: Settings) -> int:
    stopping = _listen_for_signals()
    sauron = wiring.build(settings, runtime=wiring.RUNNER)
    wiring.PROCESS.set(sauron)
    try:
        from app import app

        server = Server(Gateway(app), host=settings.api_host, port=settings.api_port)
        running = runner.start(app, sauron)
        server.start()  # after the runner holds its lock: what a request starts is to hold it, too
        log.info(
            "runner.started",
            runner=sauron.name,
            url=server.url,
            version=__version__,
            api_open=not settings.api_tokens,
        )
        banner = StartupBanner(sauron, server.url)
        banner.print_start()
        while not running.failed.is_set() and not stopping.wait(CHECK_SECONDS if banner.complete else 0.2):
            banner.print_schedule()
        _exit_after(settings.drain + settings.kill_grace + CLOSE_LIMIT + STOP_MARGIN)
        failed = running.failed.is_set()
        log.info("runner.stop_requested", runner=sauron.name, running=running.running, failed=failed)
        running.stop(timedelta() if failed else settings.drain)
        server.stop(CLOSE_LIMIT)
        log.info("runner.stopped", runner=sauron.name)
        return 1 if failed else 0
    finally:
        sauron.close()


def _listen_for_signals() -> threading.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second signal ends the process at once."""
    stopping = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stopping


def _exit_after(limit: timedelta) -> None:
    """End the process if stopping hangs for this long: nothing outside may watch for that."""

    def end() -> None:
        log.critical("runner.stop_timed_out", limit_seconds=limit.total_seconds())
        os._exit(1)

    timer = threading.Timer(limit.total_seconds(), end)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
