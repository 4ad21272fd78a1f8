"""The entry of every process the launcher starts: `python <this folder> <mode> <revision> <fd> <fd> [<fd>]`.

The folder itself is what Python is given, so that the loader is found whatever the environment of a bundle
holds, also in an interpreter it is not installed in. It leaves nothing on `sys.path`.
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
