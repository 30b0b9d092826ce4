"""Count the type errors of each package: the number may fall, and never rise.

``make types`` runs this. ``[tool.course.types]`` in pyproject.toml says how many each package of
helpers/ may have; one that is not named there may have none. Below its number a package fails
too, with the number to write instead, so that what was won is kept.
"""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from helpers import text

ROOT = Path(__file__).resolve().parent.parent


def counted(report):
    """The errors of each package in what mypy wrote.

    Raises:
        ValueError: If mypy stopped before its end.
    """
    packages = re.findall(r"^(?:helpers/(\w+)\S*|\S+): error: ", report, re.MULTILINE)
    found = Counter(name or "outside helpers" for name in packages)
    total = re.search(r"^(?:Found (\d+) errors? in|Success: )", report, re.MULTILINE)
    if not total or int(total[1] or 0) != sum(found.values()):
        raise ValueError(f"mypy did not come to its end:\n{report[-2000:]}")
    return found


def table(found: Mapping[str, int], allowed: Mapping[str, int]):
    """One line per package that has errors or may have some."""
    yield f"{'package':16} {'errors':>6} {'allowed':>7}"
    for name in sorted({*found, *allowed}):
        yield f"{name:16} {found.get(name, 0):6} {allowed.get(name, 0):7}"


def faults(found: Mapping[str, int], allowed: Mapping[str, int]):
    """One sentence per package whose number has changed."""
    for name in sorted({*found, *allowed}):
        errors, limit = found.get(name, 0), allowed.get(name, 0)
        if errors > limit:
            seen = f"see them with .venv/bin/mypy -p helpers.{name}"
            yield f"{name}: {text.count(errors, 'type error')}, allowed: {limit}; {seen}"
        elif errors < limit:
            change = f"write {name} = {errors} there" if errors else f"delete {name} there"
            yield (
                f"{name}: {text.count(errors, 'type error')}, and pyproject.toml allows {limit}; "
                f"so that it cannot rise again, {change}"
            )


def main():
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["course"]["types"]
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--no-color-output"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = counted(done.stdout + done.stderr)
    print(*table(found, allowed), sep="\n")
    return "\n".join(faults(found, allowed)) or None  # exit(""), unlike exit(None), is a failure


if __name__ == "__main__":
    sys.exit(main())
