"""The handler that shows a bundle's log lines in the run's log, unless the bundle sets up logging itself.

`logging.basicConfig` does nothing once the root logger has a handler. A script that calls it in its function
was written for a process without one, so such a call first takes away the handler that is ours.
"""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_basic_config = logging.basicConfig
_ours: list[logging.Handler] = []


def give_way() -> None:
    """Let a later call of `logging.basicConfig` win over ours. Called before a bundle imports the name."""
    logging.basicConfig = _their_basic_config


def begin() -> None:
    """Write log lines of the bundle to standard error, unless it has set up logging already."""
    if not logging.root.handlers:
        _basic_config(level=logging.INFO, stream=sys.stderr, format=LOG_FORMAT)
        _ours[:] = logging.root.handlers


@functools.wraps(_basic_config)
def _their_basic_config(**how: Any) -> None:
    if _ours and logging.root.handlers == _ours:
        logging.root.removeHandler(_ours.pop())
    _basic_config(**how)
