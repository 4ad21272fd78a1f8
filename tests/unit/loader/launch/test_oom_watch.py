"""Where the kernel counts what it killed for want of memory. The files are those of real machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.launch.oom_watch import OomWatch

EVENTS = "low 0\nhigh 0\nmax 17\noom 4\noom_kill {}\noom_group_kill 9\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
UNLIMITED = "9223372036854771712\n"
V1_OWN = "9:name=systemd:/x\n4:cpu,memory:/docker/abc\n0::/\n"


def tree(root: Path, own: str, files: dict[str, str]) -> None:
    for name, text in {
        "proc/self/cgroup": own,
        **{f"sys/fs/cgroup/{k}": v for k, v in files.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("own", "count", "template", "files", "limit"),
    [
        pytest.param(
            "0::/system.slice/sauron.service\n",
            "system.slice/sauron.service/memory.events",
            EVENTS,
            {"system.slice/sauron.service/memory.max": "max\n", "system.slice/memory.max": "268435456\n"},
            256,
            id="a service: the limit is its slice's",
        ),
        pytest.param("0::/\n", "memory.events", EVENTS, {"memory.max": "268435456\n"}, 256, id="a container"),
        pytest.param(
            "0::/../../other\n",
            "memory.events",
            EVENTS,
            {"memory.max": "max\n"},
            None,
            id="a process of another namespace",
        ),
        pytest.param(
            V1_OWN,
            "memory/docker/abc/memory.oom_control",
            CONTROL,
            {
                "memory/docker/abc/memory.limit_in_bytes": "104857600\n",
                "memory/memory.limit_in_bytes": UNLIMITED,
            },
            100,
            id="version 1",
        ),
        pytest.param(
            V1_OWN,
            "memory/memory.oom_control",
            CONTROL,
            {"memory/memory.limit_in_bytes": "104857600\n"},
            100,
            id="version 1, in a container that sees its own cgroup alone",
        ),
        pytest.param(
            V1_OWN,
            "memory/docker/abc/memory.oom_control",
            CONTROL,
            {"memory/docker/abc/memory.limit_in_bytes": UNLIMITED},
            None,
            id="version 1 without a limit",
        ),
    ],
)
def test_kills_are_counted_from_when_the_watch_began(
    tmp_path: Path, own: str, count: str, template: str, files: dict[str, str], limit: int | None
) -> None:
    tree(tmp_path, own, {count: template.format(2), **files})
    watch = OomWatch(tmp_path)
    assert watch.kills() == 0
    (tmp_path / "sys/fs/cgroup" / count).write_text(template.format(5))
    assert (watch.kills(), watch.limit_mb()) == (3, limit)


@pytest.mark.parametrize(
    "files",
    [{}, {"memory.events": "low 0\n"}, {"memory.events": "oom_kill many\n"}],
    ids=["no cgroups", "a kernel that does not count", "something else"],
)
def test_where_the_kernel_does_not_tell_the_count_is_not_known(tmp_path: Path, files: dict[str, str]) -> None:
    if files:
        tree(tmp_path, "0::/\n", files)
    watch = OomWatch(tmp_path)
    assert (watch.kills(), watch.limit_mb()) == (None, None)
