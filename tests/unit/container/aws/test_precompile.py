from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sauron.aws import precompile

pytestmark = pytest.mark.process


def compiled_name(source: str) -> str:
    path = Path(source)
    return str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc")


def test_a_zip_gets_compiled_files_once_and_without_what_cannot_be_compiled(tmp_path: Path) -> None:
    file = tmp_path / "code.zip"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.py", "VALUE = 1\n")
        made.writestr("b/c.py", "VALUE = 2\n")
        made.writestr("b/template.py", "{{ name }} = \n")
        made.writestr("b/data.txt", "text")
    assert precompile.add(file) == 2
    first = file.read_bytes()
    assert precompile.add(file) == 0
    assert file.read_bytes() == first
    with zipfile.ZipFile(file) as opened:
        assert set(opened.namelist()) == {
            *("a.py", "b/c.py", "b/template.py", "b/data.txt"),
            *(compiled_name("a.py"), compiled_name("b/c.py")),
        }
        opened.extractall(tmp_path / "out")
    (tmp_path / "out/a.py").write_text("VALUE = 3\n")  # the compiled file is taken without a look at this one
    probe = "import sys; sys.path.insert(0, sys.argv[1]); import a, b.c; print(a.VALUE, b.c.VALUE)"
    said = subprocess.run(
        [sys.executable, "-S", "-c", probe, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1 2\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
