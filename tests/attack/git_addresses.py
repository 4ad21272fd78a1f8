"""Addresses, refs and repositories that are meant to make git run something: each would leave a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sauron_jobs_loader.errors import SourceError
from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from tests.attack.judge import Kind
from tests.git_servers import BundleRepository

LIMIT = timedelta(seconds=3)
# {run} writes the file; no address leads to another machine
ADDRESSES = (
    "ext::sh -c {run}%",
    "ext::{run}",
    "EXT::{run}",
    "fd::17/x",
    "--upload-pack={run}",
    "-u{run}",
    "-cprotocol.ext.allow=always",
    "--config=core.sshCommand={run}",
    "ssh://-oProxyCommand={run}/x",
    "ssh://git@-oProxyCommand={run}/x",
    "-oProxyCommand={run}:x",
    "git@-oProxyCommand={run}:x",
    "ssh://127.0.0.1:9/-oProxyCommand={run}",
    "git://127.0.0.1:9/{run}",
    "ssh://git@127.0.0.1:9/;{run}",
    "https://127.0.0.1:9/;{run}",
    "https://127.0.0.1:9/$({run})",
    "https://127.0.0.1:9/`{run}`",
    "https://$({run})@127.0.0.1:9/x",
    "https://127.0.0.1:9/x\n{run}",
    "https://127.0.0.1:9/|{run}",
    "https://127.0.0.1:9/x --upload-pack={run}",
    "file://$({run})",
    "file://`{run}`",
    "$({run})",
    "`{run}`",
    "|{run}",
    "{bundle};{run}",
    "{bundle} --upload-pack={run}",
    "file://{bundle}\n--upload-pack={run}",
    "file://127.0.0.1{bundle};{run}",
    "http+ext::{run}",
    "persistent-https::{run}",
    "{bundle}/.git;{run}",
    "-",
    "--",
    "--help",
    "--exec={run}",
)
REFS = (
    "--upload-pack={run}",
    "-u{run}",
    "--exec={run}",
    "$({run})",
    "`{run}`",
    "main;{run}",
    "main|{run}",
    "main\n{run}",
    "ext::{run}",
    "main:refs/heads/x",
    "+main",
    "refs/../../x",
    "main^{{/{run}}}",
    "main@{{{run}}}",
    "../../etc/passwd",
    "HEAD:../../x",
    "*",
    "",
)


def addresses(folder: Path, kind: Kind) -> None:
    """Fetch from every address and every ref, with git and without."""
    bundle = BundleRepository.create(folder / "bundle")
    bundle.commit({"manifest.py": ""})
    for number, (pattern, is_ref, source) in enumerate(_tries()):
        mark = folder / f"mark-{number}"
        text = pattern.format(run=f"touch {mark}", bundle=bundle.path)
        url, ref = (str(bundle.path), text) if is_ref else (text, None)
        why = None
        try:
            found = source(url, root=folder / f"state-{number}", branch="main", timeout=LIMIT).fetch(ref)
            why = f"it fetched {found[:12]}"
        except SourceError:
            pass
        except Exception as error:  # noqa: BLE001 - judged: only SourceError is a refusal
            why = f"failed inside: {error!r}"
        kind.note(f"{pattern!r} {source.__name__}", "it ran something" if mark.exists() else why)


def _tries() -> Iterator[tuple[str, bool, type[GitSource | DulwichSource]]]:
    for source in (GitSource, DulwichSource):
        yield from ((pattern, False, source) for pattern in ADDRESSES)
        yield from ((pattern, True, source) for pattern in REFS)


def repositories(folder: Path, kind: Kind) -> None:
    """Fetch and check out a repository whose configuration, hooks and files would each run something."""
    for source in (GitSource, DulwichSource):
        marks: dict[str, Path] = {}

        def run(name: str, marks: dict[str, Path] = marks, of: str = source.__name__) -> str:
            marks[name] = folder / f"{of}-{len(marks)}"
            return f"touch {marks[name]}"

        bundle = BundleRepository.create(folder / source.__name__)
        git = bundle.path / ".git"
        files = {
            "manifest.py": "",
            ".gitattributes": "* filter=trap diff=trap merge=trap\n",
            ".gitmodules": '[submodule "x"]\n'
            f"\turl = ext::{run('a submodule')}\n\tupdate = !{run('its update')}\n",
            ".lfsconfig": f"[lfs]\n\turl = ext::{run('lfs')}\n",
        }
        sha = bundle.commit(files)
        config = {
            "core": (
                "fsmonitor",
                "sshCommand",
                "gitProxy",
                "editor",
                "pager",
                "askPass",
                "alternateRefsCommand",
            ),
            'filter "trap"': ("smudge", "clean", "process"),
            'diff "trap"': ("textconv", "command"),
            "uploadpack": ("packObjectsHook",),
            "credential": ("helper",),
        }
        lines = [
            f"[{section}]\n" + "".join(f"\t{key} = {run(f'{section}.{key}')}\n" for key in keys)
            for section, keys in config.items()
        ]
        with (git / "config").open("a") as file:
            file.write("".join(lines))
        for hook in (
            "post-checkout",
            "pre-upload",
            "post-upload-pack",
            "reference-transaction",
            "post-index-change",
        ):
            (git / "hooks").mkdir(exist_ok=True)
            (git / "hooks" / hook).write_text(f"#!/bin/sh\n{run(f'hook {hook}')}\n")
            (git / "hooks" / hook).chmod(0o755)
        reader = source(str(bundle.path), root=folder / f"of-{source.__name__}", branch="main", timeout=LIMIT)
        fetched = reader.fetch()
        there = (reader.checkout(fetched) / "manifest.py").is_file()
        kind.note(f"checkout {source.__name__}", None if there and fetched == sha else "the control failed")
        for name, mark in marks.items():
            kind.note(f"{name} {source.__name__}", "it ran something" if mark.exists() else None)
