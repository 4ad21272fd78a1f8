"""Print the share of lines that tests reached, folder by folder: `make coverage`."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parents[1]
PRODUCT = ("chalicelib", "sauron_jobs_loader", "container/sauron")


def main() -> int:
    """Combine what the processes of the run measured and print a line for each folder."""
    measured = Coverage()
    measured.load()
    lines: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file in map(Path, measured.get_data().measured_files()):
        name = str(file.parent.relative_to(ROOT)) if file.is_relative_to(ROOT) else ""
        if name.startswith(PRODUCT) and file.exists():
            _, statements, _, missing, _ = measured.analysis2(str(file))
            lines[name][0] += len(statements)
            lines[name][1] += len(statements) - len(missing)
    for name, (whole, reached) in sorted(lines.items()):
        print(f"{100 * reached / max(whole, 1):5.1f} %  {reached:5} of {whole:5} lines  {name}")
    whole, reached = (sum(column) for column in zip(*lines.values(), strict=True))
    print(f"{100 * reached / max(whole, 1):5.1f} %  {reached:5} of {whole:5} lines  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
