"""Debian's Chromium, driven by Playwright, and what a page must never do in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    sync_playwright,
)

Scheme = Literal["light", "dark"]

# The headless shell is the same browser without its windows, and spends a third of the processor time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
MISSING = "Chromium is not installed; on Debian: apt-get install chromium-headless-shell"
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HEIGHT = 900
PATIENCE_MS = 10_000
PATIENCE = 50  # seconds of a whole test; some calls of Playwright have no limit of their own


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser. While it runs, this thread has a running asyncio loop, which is Playwright's."""
    assert PROGRAM, MISSING
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=PROGRAM, args=list(FLAGS))
        yield started
        with at_most(PATIENCE):
            started.close()


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End a browser that does not answer: all that waits for it then fails, instead of waiting for good."""
    timer = threading.Timer(seconds, _end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        over = not timer.is_alive()
        timer.cancel()
        if over:
            raise AssertionError(f"not done within {seconds:g} s, so Chromium was ended")


def _end() -> None:
    """Kill Playwright's drivers below this process, with their browsers."""
    for pid in [*below(os.getpid())]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"run-driver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                for one in (*below(pid), pid):
                    os.kill(one, signal.SIGKILL)


def below(pid: int) -> Iterator[int]:
    """Yield the processes below a process."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, file.read_text().split()):
                yield from (child, *below(child))


@dataclass
class Watch:
    """Notes what no page of ours does: it says something on the console, asks, or reaches another host.

    A script that the content security policy stops, and an error that nothing catches, are said on the
    console by the browser. A test that provokes a response of 4xx names it in `expected`.
    """

    strange: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def over(self, context: BrowserContext, host: str) -> None:
        """Watch every page of a context; `host` is the only one with port that they may reach."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self.strange.append(f"error: {error.error}"))
        context.on("dialog", self._asked)
        context.on("request", lambda request: self._reached(request, host))

    def _said(self, message: ConsoleMessage) -> None:
        refused = [str(status) for status in self.expected if f"status of {status}" in message.text]
        if not refused:
            self.strange.append(f"console {message.type}: {message.text}")

    def _asked(self, dialog: Dialog) -> None:
        self.strange.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def _reached(self, request: Request, host: str) -> None:
        if urlsplit(request.url).netloc != host:
            self.strange.append(f"request to {request.url[:200]}")


@dataclass
class Visitor:
    """Opens pages of one server. Contexts are kept for each way of looking, since making one takes long."""

    browser: Browser
    url: str
    watch: Watch = field(default_factory=Watch)
    headers: dict[str, str] = field(default_factory=dict)
    _contexts: dict[tuple[object, ...], BrowserContext] = field(default_factory=dict)

    def __call__(
        self, path: str, *, scheme: Scheme = "light", width: int = 1440, script: bool = True
    ) -> Page:
        """Open a page in a new tab and wait until it has loaded."""
        page = self.context(scheme=scheme, width=width, script=script).new_page()
        page.goto(self.url + path)
        return page

    def context(self, *, scheme: Scheme = "light", width: int = 1440, script: bool = True) -> BrowserContext:
        """Return the context of one way of looking: its tabs share cookies."""
        look = (scheme, width, script)
        if look not in self._contexts:
            made = self.browser.new_context(
                viewport={"width": width, "height": HEIGHT},
                color_scheme=scheme,
                java_script_enabled=script,
                timezone_id="UTC",
                locale="en-GB",
                extra_http_headers=self.headers,
            )
            made.set_default_timeout(PATIENCE_MS)
            self.watch.over(made, urlsplit(self.url).netloc)
            self._contexts[look] = made
        return self._contexts[look]

    def leave(self) -> None:
        """Close the tabs; the contexts stay."""
        for context in self._contexts.values():
            for page in context.pages:
                page.close()

    def forget(self) -> None:
        """Close the contexts, cookies included."""
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()
