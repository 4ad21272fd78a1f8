"""What a checkout asks for has one digest, which changes exactly when what is installed may change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from sauron_jobs_loader.environment import requirements
from sauron_jobs_loader.environment.requirements import RequirementsError


def write(folder: Path, top: str | None = None, files: Mapping[str, str] = MappingProxyType({})) -> Path:
    for name, text in {**({} if top is None else {"requirements.txt": top}), **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def digest(folder: Path) -> str:
    read = requirements.read(folder)
    assert read is not None
    return read.digest


@pytest.mark.parametrize("text", [None, "", "\n  \n", "# nothing\n   # yet\n"])
def test_a_checkout_that_asks_for_nothing_needs_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        write(tmp_path, text)
    assert requirements.read(tmp_path) is None


def test_equal_requirements_have_one_digest_wherever_they_lie(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a", "-r more.txt\n./lib", {"more.txt": "x==1\n", "lib/x.py": "1", "jobs/a.py": "1"}
    )
    second = write(
        tmp_path / "b", "-r more.txt\n./lib", {"more.txt": "x==1\n", "lib/x.py": "1", "jobs/a.py": "2"}
    )
    assert digest(first) == digest(second)


@pytest.mark.parametrize(
    "line",
    [
        "-r more.txt",
        "-rmore.txt",
        "-c more.txt",
        "--requirement=more.txt",
        "--constraint more.txt # why",
        "-r \\\n more.txt",
    ],
)
def test_what_an_included_file_says_changes_the_digest(tmp_path: Path, line: str) -> None:
    before = digest(write(tmp_path, line, {"more.txt": "-r deep/er.txt", "deep/er.txt": "x==1"}))
    assert digest(write(tmp_path, files={"deep/er.txt": "x==2"})) != before


@pytest.mark.parametrize(
    "line",
    [
        "./lib",
        "lib/",
        "-e ./lib",
        "--editable=lib/",
        ".",
        ".[all]",
        "./lib[a,b] ; python_version > '3'",
        "--find-links lib",
        "-flib",
    ],
)
def test_what_a_path_of_the_checkout_holds_changes_the_digest(tmp_path: Path, line: str) -> None:
    before = digest(write(tmp_path, f"x==1\n{line}", {"lib/deep/a.py": "1", "lib/__pycache__/a.py": "1"}))
    assert digest(write(tmp_path, files={"lib/__pycache__/a.py": "2"})) == before
    assert digest(write(tmp_path, files={"lib/deep/a.py": "2"})) != before


def test_a_path_is_taken_from_the_top_of_the_checkout_or_from_the_file_that_names_it(tmp_path: Path) -> None:
    before = digest(
        write(tmp_path, "-r sub/r.txt", {"sub/r.txt": "../lib\n./own", "lib/a.py": "1", "sub/own/a.py": "1"})
    )
    between = digest(write(tmp_path, files={"lib/a.py": "2"}))
    assert len({before, between, digest(write(tmp_path, files={"sub/own/a.py": "2"}))}) == 3


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("-r ../other.txt", "'../other.txt'"),
        ("-c /etc/hostname", "'/etc/hostname'"),
        ("../lib", "'../lib'"),
        ("-e ../lib", "'../lib'"),
        ("x @ file:///opt/x.whl", "'/opt/x.whl'"),
        ("-r gone.txt", "'gone.txt', which does not exist"),
    ],
)
def test_a_path_that_leaves_the_checkout_is_refused_with_its_place(
    tmp_path: Path, line: str, place: str
) -> None:
    write(tmp_path, files={"other.txt": "x==1", "lib/a.py": "1"})
    with pytest.raises(RequirementsError) as refused:
        requirements.read(write(tmp_path / "bundle", f"y==1\n\n{line}\n"))
    assert place in str(refused.value)
    assert str(refused.value).startswith("requirements.txt:3 ")


def test_names_and_addresses_are_no_paths(tmp_path: Path) -> None:
    text = "x==1 --hash=sha256:00\ny[z]>=1; python_version<'4'\nw @ git+https://u:p%40w@host/x/y@v1#egg=w\n-c https://t@host/c.txt\n"
    read = requirements.read(write(tmp_path, text + "--index-url https://${USER_}:${PASS1}@host/simple\n"))
    assert read is not None
    assert not read.local
    assert {"u:p%40w", "p@w", "t"} <= read.credentials
    assert read.variables == {"USER_", "PASS1"}


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    assert digest(write(tmp_path, "-r a.txt", {"a.txt": "-r requirements.txt\nx==1"}))
