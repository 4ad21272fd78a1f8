"""Add compiled Python to a zip for Lambda, which otherwise compiles every module at each cold start.

Chalice packs sources only. Here each module gets its .pyc, written by the Python that packages, which is the
version of the function's runtime. Lambda does not compare it with the source's time: nothing changes there.

A kill leaves the zip as it was: the new zip replaces it when it is complete. A zip that holds compiled files
already is not changed. Run: python -m sauron.aws.precompile FILE...; or, as Chalice's command line, python -P
.../precompile.py chalice ARGUMENT...
"""

from __future__ import annotations

import compileall
import functools
import py_compile
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CACHE = "__pycache__"


def add(file: Path) -> int:
    """Add compiled files to a zip and return how many; a file that cannot be compiled is skipped."""
    with (
        zipfile.ZipFile(file) as packed,
        tempfile.TemporaryDirectory(dir=file.parent, prefix=".compiling-") as place,
    ):
        if any(CACHE in name for name in packed.namelist()):
            return 0
        code, made = Path(place) / "code", Path(place) / file.name
        packed.extractall(code, [name for name in packed.namelist() if name.endswith(".py")])
        compileall.compile_dir(
            code, quiet=2, maxlevels=50, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
        compiled = sorted(code.rglob("*.pyc"))
        shutil.copy(file, made)
        with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as fresh:
            for one in compiled:
                # no time: the same code makes the same zip
                entry = zipfile.ZipInfo(str(one.relative_to(code)))
                entry.external_attr = 0o644 << 16
                fresh.writestr(entry, one.read_bytes(), zipfile.ZIP_DEFLATED)
        made.replace(file)
    return len(compiled)


def chalice(arguments: Sequence[str]) -> None:
    """Run Chalice's command line, with compiled files in every zip that it packs."""
    from chalice.cli import main as chalice_main
    from chalice.deploy import packager

    for kind in (
        packager.LambdaDeploymentPackager,
        packager.AppOnlyDeploymentPackager,
        packager.LayerDeploymentPackager,
    ):
        kind.create_deployment_package = _compiling(kind.create_deployment_package)  # type: ignore[method-assign]
    sys.argv[1:] = arguments
    sys.exit(chalice_main())


def _compiling(pack: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(pack)
    def packing(*given: Any, **named: Any) -> str:
        file = pack(*given, **named)
        add(Path(file))
        return file

    return packing


def main(files: Sequence[str]) -> None:
    """Add compiled files to each zip, in place."""
    if files[:1] == ["chalice"]:
        chalice(files[1:])
    for name in files:
        sys.stdout.write(f"{add(Path(name))} modules compiled in {name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
