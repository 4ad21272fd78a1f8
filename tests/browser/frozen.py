"""A browser that answers nothing any more, and how long one waits: `python -m tests.browser.frozen 2`."""

from __future__ import annotations

import os
import signal
import sys

from tests.browser.chromium import at_most, below, chromium


def main(seconds: float) -> None:
    """Freeze a browser, ask it something within so many seconds, and print what became of that."""
    with chromium() as browser:
        page = browser.new_page()
        for pid in below(os.getpid()):
            os.kill(pid, signal.SIGSTOP)
        try:
            with at_most(seconds):
                page.evaluate("1 + 1")
        except AssertionError as error:
            print(error)


if __name__ == "__main__":
    main(float(sys.argv[1]))
