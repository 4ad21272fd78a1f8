"""Composition: settings become live objects here, for the container, Lambda and the command line alike.

`build` puts one process's `Sauron` together for its runtime: a runner with threads of its own, a Lambda
function, or a command. What differs between them is data, in `RUNNER`, `LAMBDA` and `COMMAND_LINE`.
`PROCESS` holds the one Sauron of this process. Importing this package opens nothing.
"""

from .composition import build
from .parts import COMMAND_LINE, LAMBDA, RUNNER, Runtime, Sauron
from .process import PROCESS

__all__ = ["COMMAND_LINE", "LAMBDA", "PROCESS", "RUNNER", "Runtime", "Sauron", "build"]
