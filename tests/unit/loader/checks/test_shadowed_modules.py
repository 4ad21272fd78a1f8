"""A module that stands in for one of Python's, or of Sauron's, is remarked."""

from __future__ import annotations

from pathlib import Path

from sauron_jobs_loader.checks import shadowed_modules
from sauron_jobs_loader.checks.tree import BundleTree


def test_a_module_with_the_name_of_one_of_pythons_is_remarked(tmp_path: Path) -> None:
    for name in (
        "ssl.py",
        "report.py",
        "email/__init__.py",
        "queue/more.py",
        "json/data.txt",
        "test/test_a.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "zerg").mkdir()
    (tmp_path / "zerg" / "__init__.py").write_text("")
    found = shadowed_modules.check(BundleTree(tmp_path, tmp_path, committed=True))
    assert [one.file for one in found] == ["email", "queue", "ssl.py", "zerg"]
    assert found[2].text.startswith("the module 'ssl' has the name of one of Python's own")
    assert found[2].cure == "rename it, such as ssl_jobs, or put it into a package of the bundle"
    assert "Sauron's" in found[3].text
