"""Keep the rendered notebooks equal to their sources, and the README to the lessons."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from helpers import files, text
from helpers.lessons import rules, sources, times, views
from helpers.lessons.run import execute

# ![what it shows](docs/name.png "the title of the figure in its lesson")
_PICTURE = re.compile(r'!\[[^\]]+\]\(([^)\s]+\.png)(?: "([^"]*)")?\)')
# | [01 · Theory](notebooks/01_theory.ipynb) | Where does it go? | minutes | exercises |
_ROW = re.compile(r"^(\| \[.*\]\(notebooks/(\w+)\.ipynb\) \| .* \|) \d+ \| \d+ \|$", re.MULTILINE)
_WIDGET = "application/vnd.jupyter.widget-view+json"


def render(
    names: Iterable[str] = (), *, force: bool = False, workers: int | None = None
) -> Iterator[str]:
    """Execute the learner view of each source and store it as its notebook.

    Nothing runs before every chosen source has been read and found in order,
    and a file whose bytes would stay the same is not touched.

    Args:
        names: Which lessons and experiments; all lessons when empty.
        force: Also execute notebooks that match the source, as is
            needed when the library has changed.
        workers: How many at a time; one for each processor when omitted.

    Yields:
        One line per notebook: what was done.

    Raises:
        ValueError: If a source breaks a rule, a cell fails, or an output
            cannot be published. The other notebooks are rendered first.
    """
    names = list(names)
    chosen = sources.all_source_files(names) if names else sources.source_files()
    wanted = {path: views.learner_view(path) for path in chosen}
    due = [path for path in chosen if force or _why_stale(wanted[path], path)]
    patient = not all(map(sources.is_lesson, due))  # a cell of an experiment may take hours
    limit = {"cell_seconds": None} if patient else {}
    runs = execute([wanted[path] for path in due], workers, **limit)
    failed = []
    for path in chosen:
        if path not in due:
            yield f"{path.stem}: up to date"
            continue
        run = next(runs)
        problem = run.failure or _unpublishable(run.notebook)
        problem = problem or views.leak(rules.read(path), run.notebook)
        if problem:
            failed.append(path.stem)
            yield f"{path.stem}: FAILED, {problem}"
        else:
            target = sources.notebook_of(path)
            target.parent.mkdir(exist_ok=True)
            changed = files.write(target, views.serialised(run.notebook))
            yield f"{path.stem}: {'rendered' if changed else 'unchanged'} in {run.seconds:.1f} s"
    if failed:
        raise ValueError(f"not rendered: {', '.join(failed)}; these notebooks are as they were")


def stale(names: Iterable[str] = ()) -> dict[str, str]:
    """Say which rendered notebooks do not match their sources.

    Everything but the outputs is compared, so nothing is executed.

    Args:
        names: Which lessons and experiments; all of both when empty.

    Returns:
        The reason for each stale notebook, in course order.

    Raises:
        ValueError: As ``views.learner_view`` and ``sources.source_files``.
    """
    chosen = sources.all_source_files(names)
    reasons = {path.stem: _why_stale(views.learner_view(path), path) for path in chosen}
    known = [sources.notebook_of(path) for path in sources.all_source_files()]
    for path in [*sources.paths(), *sources.experiments()]:
        if path not in known:
            reasons[path.stem] = "has no source in notebooks/source; delete the notebook"
    return {name: reason for name, reason in sorted(reasons.items()) if reason}


def readme_pictures() -> Iterator[str]:
    """Keep the README's pictures equal to those in the notebooks.

    A picture of the README is the figure of a rendered notebook whose title the README
    gives, as Markdown's title of the picture; its file is written when it is missing or
    differs. Its alt text is the README's own.

    Yields:
        One line for each file written.

    Raises:
        ValueError: If not exactly one figure of the notebooks has that title.
    """
    drawn: dict[str, list[str]] = {}
    for path in [*sources.paths(), *sources.experiments()]:
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                if "image/png" in data:
                    drawn.setdefault(data.get("text/plain", ""), []).append(data["image/png"])
    for name, title in _PICTURE.findall((sources.ROOT / "README.md").read_text(encoding="utf-8")):
        found = drawn.get(title, [])
        if len(found) != 1:
            raise ValueError(
                f"README.md shows {name}, the figure {title!r}, but the lessons have "
                f"{text.count(len(found), 'figure')} with that title"
            )
        (sources.ROOT / name).parent.mkdir(exist_ok=True)
        if files.write(sources.ROOT / name, base64.b64decode(found[0])):
            yield f"{name}: taken from its lesson"


def readme_table() -> Iterator[str]:
    """Keep the minutes and the number of exercises in the README's table of lessons.

    Yields:
        One line if the table had to be changed.

    Raises:
        ValueError: If a row names no lesson.
    """
    readme = sources.ROOT / "README.md"
    words = readme.read_text(encoding="utf-8")

    def counted(row: re.Match[str]) -> str:
        (source,) = sources.source_files([row[2]])
        lesson = rules.read(source)
        exercises = sum("exercise" in rules.tags(cell) for cell in lesson.cells)
        return f"{row[1]} {times.total(lesson)} | {exercises} |"

    if files.write(readme, _ROW.sub(counted, words).encode()):
        yield "README.md: minutes and exercises counted anew"


def _unpublishable(notebook: NotebookNode) -> str:
    """Say which output must not be stored in a lesson, or nothing."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            where = f"cell [{cell.execution_count}]"
            if output.get("name") == "stderr":
                return f"{where} writes to stderr: {text.shortened(output.text.strip(), 200)!r}"
            if _WIDGET in output.get("data", {}):
                return f"{where} shows a widget, which a stored notebook cannot; draw a figure"
    return ""


def _why_stale(view: NotebookNode, source: Path) -> str:
    """Say in what the rendered notebook differs from its source, or nothing."""
    target = sources.notebook_of(source)
    if not target.exists():
        return "has not been rendered yet"
    try:
        stored, counts = _without_outputs(target.read_bytes())
    except (ValueError, KeyError, TypeError):
        return "is not a readable notebook"
    if stored != _without_outputs(views.serialised(view))[0]:
        return "differs from its source"
    if counts != list(range(1, len(counts) + 1)):
        return "has not been executed from top to bottom"
    return ""


def _without_outputs(content: bytes) -> tuple[dict[str, Any], list[int | None]]:
    """Return a stored notebook less what execution added, and its counts."""
    notebook = json.loads(content)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        del cell["outputs"]
    return notebook, [cell.pop("execution_count") for cell in code]
