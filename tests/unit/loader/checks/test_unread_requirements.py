"""Packages that a bundle declares in a file that is not read are told with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.checks import unread_requirements
from sauron_jobs_loader.checks.tree import BundleTree

PROJECT = (
    '[project]\nname = "ops"\ndependencies = ["PyYAML>=6", "requests[socks] ; python_version > \'3\'"]\n'
)
POETRY = '[tool.poetry.dependencies]\npython = "^3.11"\nrequests = "*"\n'
ALONE = "this file is not read: Sauron installs requirements.txt beside manifest.py, and nothing else"


def told(folder: Path, files: dict[str, str]) -> dict[str, tuple[str, str]]:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    found = unread_requirements.check(BundleTree(folder, folder, committed=True))
    return {one.file: (one.text, one.cure) for one in found}


@pytest.mark.parametrize(
    ("file", "text", "cure"),
    [
        ("pyproject.toml", PROJECT, "write `.` into requirements.txt"),
        ("pyproject.toml", POETRY, "write `.` into requirements.txt"),
        ("setup.cfg", "[options]\ninstall_requires =\n  requests\n", "write `.` into requirements.txt"),
        ("setup.py", "setup(install_requires=['requests'])", "write `.` into requirements.txt"),
        ("uv.lock", "version = 1\n", "`uv export --no-hashes --no-emit-project -o requirements.txt`"),
        ("poetry.lock", "", "`poetry export -o requirements.txt`"),
        ("Pipfile", '[packages]\nrequests = "*"\n', "`pipenv requirements > requirements.txt`"),
        ("environment.yml", "dependencies: [requests]\n", "by the names that pip knows"),
        (
            "requirements/base.txt",
            "requests==2.0\n",
            "write `-r requirements/base.txt` into",
        ),
        ("requirements-prod.txt", "requests==2.0\n", "write `-r requirements-prod.txt` into"),
        ("jobs/requirements.txt", "requests==2.0\n", "write `-r jobs/requirements.txt` into"),
        ("Requirements.txt", "requests==2.0\n", "write `-r Requirements.txt` into"),
        ("requirements.in", "requests\n", "write `-r requirements.in` into"),
    ],
)
def test_what_stands_instead_of_requirements_txt_is_told(
    file: str, text: str, cure: str, tmp_path: Path
) -> None:
    found = told(tmp_path, {file: text, "notes.txt": "hello", "requirements-dev.txt": "pytest\n"})
    assert list(found) == [file]
    assert found[file][0] == ALONE
    assert cure in found[file][1]


def test_what_stands_beside_it_is_told_by_the_packages_it_lacks(tmp_path: Path) -> None:
    files = {"requirements.txt": "requests==2.0  # for calls\n", "pyproject.toml": PROJECT, "uv.lock": ""}
    found = told(tmp_path, files)
    assert list(found) == ["pyproject.toml"]
    assert found["pyproject.toml"][0].startswith("this file names pyyaml, which requirements.txt does not")


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "-e .\n", "pyproject.toml": PROJECT, "uv.lock": ""},
        {"requirements.txt": ".\n", "setup.py": "install_requires"},
        {"requirements.txt": "-r requirements/base.txt\n", "requirements/base.txt": "requests\n"},
        {"requirements.txt": "pyyaml\n", "site/requirements.txt": "flask\n"},
        {"requirements.txt": "pyyaml\nRequests\n", "pyproject.toml": PROJECT},
        {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"},
        {"pyproject.toml": "not toml"},
        {"setup.cfg": "[flake8]\nmax-line-length = 100\n"},
        {"setup.cfg": "no section"},
        {"requirements.txt": "-r /etc/hosts\n-r ../x\n-r requirements.txt\n-c constraints.txt\n"},
        {"requirements/dev.txt": "pytest\n", "notes.txt": "remember the milk\n"},
    ],
)
def test_a_bundle_whose_packages_are_read_is_told_nothing(files: dict[str, str], tmp_path: Path) -> None:
    assert told(tmp_path, files) == {}


def test_the_requirements_of_the_repository_are_not_those_of_a_bundle_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "requirements.txt").write_text("requests\n")
    (remark,) = unread_requirements.check(BundleTree(tmp_path / "ops", tmp_path, committed=True))
    assert (remark.file, remark.cure) == (
        "requirements.txt",
        "put one beside manifest.py, with what the jobs need",
    )
    loaded = BundleTree(tmp_path / "ops", tmp_path, committed=True, jobs=[{"id": "job"}])
    assert unread_requirements.check(loaded) == []
