"""The entry of every process that the launcher starts.

The command is `python <this folder> <mode> <revision> <fd> <fd> [<fd>]`.

Python gets the folder itself, so that it finds the loader in every environment of a bundle, also in an
interpreter where the loader is not installed. Nothing is left on `sys.path`.
"""
# pathlib would cost every process start a few milliseconds
# ruff: noqa: PTH100, PTH120

import os
import sys

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    from sauron_jobs_loader.process.guard import main

    del sys.path[0]
    main(sys.argv[1:])
