"""Composition: settings become live objects here, for the container, Lambda and the command line alike.

`build` puts one process's `Sauron` together for its runtime: a runner with threads of its own, a Lambda
function, or a command. What differs between them is data, in `RUNNER`, `LAMBDA` and `COMMAND_LINE`.
`PROCESS` holds the one Sauron of this process. Importing this package opens nothing.

Nearly all of Sauron is loaded here, and nothing of it is garbage: garbage collection waits until it is there,
and passes over it from then on. It took a third of the time before.
"""

import gc

_collects = gc.isenabled()
gc.disable()

from .composition import build  # noqa: E402
from .parts import COMMAND_LINE, LAMBDA, RUNNER, Runtime, Sauron  # noqa: E402
from .process import PROCESS  # noqa: E402

gc.freeze()
if _collects:
    gc.enable()

__all__ = ["COMMAND_LINE", "LAMBDA", "PROCESS", "RUNNER", "Runtime", "Sauron", "build"]
