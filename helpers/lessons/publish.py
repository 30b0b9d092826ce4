"""Turn a lesson's source into the notebooks that people open.

A lesson is written once, in ``notebooks/source/NN_topic.py`` (jupytext's
percent format). From it come the rendered notebook ``notebooks/NN_topic.ipynb``
(exercises unsolved, executed, outputs stored), the learner's own copy of that,
and the worked version. Rendering an unchanged lesson gives the same bytes.

A source without a number, ``notebooks/source/topic.py``, is an experiment: a
notebook that takes minutes, ``notebooks/experiments/topic.ipynb``. It is executed
only when somebody names it.

A source that could leak an answer is refused: nothing is written unless every
solution marker is where it must be.
"""

import ast
import asyncio
import base64
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

import helpers
from helpers import experiment, files, warm

# The repository. The package is always installed editable, from its clone.
ROOT = Path(helpers.__file__).resolve().parent.parent

_LESSON = re.compile(r"\d\d(_[a-z0-9]+)+")
_EXPERIMENT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TAGS = {"setup", "parameters", "exercise", "check", "solution"}
_TAGS |= {"nbval-ignore-output", "nbval-check-output"}
_BEGIN, _END = "### BEGIN SOLUTION", "### END SOLUTION"
_STUB = "raise NotImplementedError  # your turn"
_LOOKS_LIKE_MARKER = re.compile(r"\b(BEGIN|END)[\s_-]*SOLUTION", re.IGNORECASE)
_LOOKS_LIKE_NBVAL = re.compile(r"^\s*#+\s*(NBVAL_|PYTEST_VALIDATE_)", re.MULTILINE)
_LOOKS_LIKE_MAGIC = re.compile(r"^\s*[%!?]|\?\s*$", re.MULTILINE)
_PICTURE = re.compile(r"!\[([^\]]+)\]\(([^)\s]+\.png)\)")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_LONGEST_CELL = 20  # lines
_SECONDS_PER_CELL = 1800
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Run:
    """One execution of a notebook from top to bottom.

    Attributes:
        notebook: The notebook with the outputs it reached.
        seconds: Wall time, the start of the kernel included.
        failure: Where it stopped and why, in one sentence; empty if it did not.
    """

    notebook: NotebookNode
    seconds: float
    failure: str


def sources(names: Iterable[str] = ()) -> list[Path]:
    """Return the lessons' source files in course order.

    Args:
        names: Which lessons, as ``01_theory``, ``01`` or a file name; all
            when empty.

    Returns:
        Paths under ``notebooks/source``.

    Raises:
        ValueError: If a file is named neither like a lesson nor like an
            experiment, or a name is unknown.
    """
    return _chosen(_sources(_LESSON), names)


def lessons(names: Iterable[str] = ()) -> list[Path]:
    """Return the rendered lessons in course order.

    Args:
        names: Which lessons, as ``01_theory``, ``01`` or a file name; all
            when empty.

    Returns:
        Paths under ``notebooks``; empty when nothing has been rendered.

    Raises:
        ValueError: If a name is unknown.
    """
    return _chosen(_stored(), names)


def experiments(names: Iterable[str] = ()) -> list[Path]:
    """Return the rendered experiments in the order of their names.

    Args:
        names: Which experiments, as ``phase_diagram`` or a file name; all when
            empty.

    Returns:
        Paths under ``notebooks/experiments``; empty when there are none.

    Raises:
        ValueError: If a name is unknown.
    """
    return _chosen(_stored("experiments"), names, "experiment")


def notebooks(names: Iterable[str] = ()) -> list[Path]:
    """Return the rendered notebooks that names mean, lessons first.

    Args:
        names: Which lessons and experiments; all lessons when empty.

    Returns:
        Paths under ``notebooks``.

    Raises:
        ValueError: If a name is unknown.
    """
    return _lessons_or_named(_stored(), _stored("experiments"), names)


def learner_view(source: Path) -> NotebookNode:
    """Read a source as the notebook a learner gets, solutions taken out.

    Args:
        source: A file in jupytext's percent format.

    Returns:
        The notebook, not executed. Each solution region has become one line
        that raises ``NotImplementedError``; cells tagged ``solution`` are gone.

    Raises:
        ValueError: If the source breaks a rule of the course, in one sentence
            that names the file and the cell.
    """
    notebook = _read(source)
    notebook.cells = [cell for cell in notebook.cells if "solution" not in _tags(cell)]
    for cell in notebook.cells:
        if "exercise" in _tags(cell):
            cell.source = _stubbed(cell.source)
    if leak := _leak(_read(source), notebook):
        raise ValueError(f"{source.name}: {leak}")
    return _identified(notebook)


def worked_view(source: Path) -> NotebookNode:
    """Read a source as the worked notebook, every solution in place.

    Args:
        source: A file in jupytext's percent format.

    Returns:
        The notebook, not executed, without the solution markers.

    Raises:
        ValueError: As ``learner_view``.
    """
    notebook = _read(source)
    for cell in notebook.cells:
        cell.source = _without_markers(cell.source)
    return _identified(notebook)


def execute(notebooks: Sequence[NotebookNode], workers: int | None = None) -> Iterator[Run]:
    """Run notebooks, several at a time, each in a fresh kernel.

    Args:
        notebooks: What to run; left as they are.
        workers: How many at a time; one for each processor when omitted.

    Yields:
        One ``Run`` a notebook, in the order given, as soon as it is there. A
        failure is told in its ``Run`` and does not stop the others.

    Raises:
        ValueError: If ``workers`` is less than 1.
    """
    workers = warm.processors() if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")

    async def started() -> list[asyncio.Task[Run]]:
        gate = asyncio.Semaphore(workers)
        return [asyncio.create_task(_run(deepcopy(notebook), gate)) for notebook in notebooks]

    # While one run is waited for, the others go on. Leaving the block early (Ctrl-C) cancels
    # them, and each then stops its kernel.
    with asyncio.Runner() as runner:
        for task in runner.run(started()):
            runner.run(_finished(task))
            yield task.result()


def stale(names: Iterable[str] = ()) -> dict[str, str]:
    """Say which rendered notebooks do not match their sources.

    Everything but the outputs is compared, so nothing is executed.

    Args:
        names: Which lessons and experiments; all of both when empty.

    Returns:
        The reason for each stale notebook, in course order.

    Raises:
        ValueError: As ``learner_view`` and ``sources``.
    """
    everything = [*sources(), *_sources(_EXPERIMENT)]
    chosen = _chosen(everything, names, "lesson or experiment")
    reasons = {path.stem: _why_stale(learner_view(path), path) for path in chosen}
    known = [_rendered(path) for path in everything]
    for path in [*lessons(), *experiments()]:
        if path not in known:
            reasons[path.stem] = "has no source in notebooks/source; delete the notebook"
    return {name: reason for name, reason in sorted(reasons.items()) if reason}


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
        One line a notebook: what was done.

    Raises:
        ValueError: If a source breaks a rule, a cell fails, or an output
            cannot be published. The other notebooks are rendered first.
    """
    chosen = _lessons_or_named(sources(), _sources(_EXPERIMENT), names)
    views = {path: learner_view(path) for path in chosen}
    due = [path for path in chosen if force or _why_stale(views[path], path)]
    runs = execute([views[path] for path in due], workers)
    failed = []
    for path in chosen:
        if path not in due:
            yield f"{path.stem}: up to date"
            continue
        run = next(runs)
        problem = run.failure or _unpublishable(run.notebook) or _leak(_read(path), run.notebook)
        if problem:
            failed.append(path.stem)
            yield f"{path.stem}: FAILED, {problem}"
        else:
            _rendered(path).parent.mkdir(exist_ok=True)
            changed = files.write(_rendered(path), _serialised(run.notebook))
            yield f"{path.stem}: {'rendered' if changed else 'unchanged'} in {run.seconds:.1f} s"
    if failed:
        raise ValueError(f"not rendered: {', '.join(failed)}; these notebooks are as they were")


def readme_pictures() -> Iterator[str]:
    """Keep the README's pictures equal to those in the notebooks.

    A picture of the README is the figure of a rendered notebook with the same alt
    text; its file is written when it is missing or differs.

    Yields:
        One line for each file written.

    Raises:
        ValueError: If no notebook has a figure with that alt text.
    """
    drawn = {}
    for path in [*lessons(), *experiments()]:
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                alt = output.get("metadata", {}).get("image/png", {}).get("alt")
                drawn[alt] = output.get("data", {}).get("image/png")
    for alt, name in _PICTURE.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        if not drawn.get(alt):
            raise ValueError(
                f"README.md shows {name}, but no lesson has a figure with its alt text"
            )
        (ROOT / name).parent.mkdir(exist_ok=True)
        if files.write(ROOT / name, base64.b64decode(drawn[alt])):
            yield f"{name}: taken from its lesson"


def solutions(folder: Path, names: Iterable[str] = (), workers: int | None = None) -> Iterator[str]:
    """Execute the worked version of each lesson and store it in a folder.

    Args:
        folder: Where to; made when missing. A file in it is replaced only if
            it is a worked version from here that nobody has edited.
        names: Which lessons; all when empty.
        workers: How many at a time; one for each processor when omitted.

    Yields:
        One line a lesson: what was done.

    Raises:
        ValueError: If the folder is the course's own, a file is in the way, a
            source breaks a rule or a cell fails.
    """
    folder = _outside_notebooks(folder)
    chosen = sources(names)
    for target in (folder / f"{path.stem}.ipynb" for path in chosen):
        if target.exists() and not _is_own_solution(target):
            raise ValueError(
                f"{target} is in the way: it is not a worked version as the course made it; "
                "move it or name another folder"
            )
    views = [worked_view(path) for path in chosen]
    failed = []
    for path, run in zip(chosen, execute(views, workers), strict=True):
        if run.failure:
            failed.append(path.stem)
            yield f"{path.stem}: FAILED, {run.failure}"
            continue
        run.notebook.metadata["course"] = {"worked": _fingerprint(_serialised(run.notebook))}
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / f"{path.stem}.ipynb", _serialised(run.notebook))
        yield f"{path.stem}: worked version written after {run.seconds:.1f} s"
    if failed:
        raise ValueError(f"not written: {', '.join(failed)}")


def learner_copy(folder: Path) -> list[str]:
    """Bring a learner's own folder up to date without touching their work.

    A notebook whose cells the learner has not edited is replaced by its new
    version (running it is not editing it). Beside an edited one the new
    version is laid as ``01_theory.updated.ipynb``, once. A deleted notebook
    comes back. Experiments have a folder of their own, as links expect.

    Args:
        folder: The learner's folder; made when missing.

    Returns:
        What was done, one line a notebook; empty when there was nothing to do.

    Raises:
        ValueError: If nothing has been rendered yet, or the folder is the
            course's own.
    """
    folder = _outside_notebooks(folder)
    rendered = lessons()
    if not rendered:
        raise ValueError("notebooks/ holds no rendered lesson yet; run `course render` first")
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _manifest(folder)
    done = []
    for notebook in [*rendered, *experiments()]:
        place = notebook.parent.relative_to(ROOT / "notebooks")
        (folder / place).mkdir(exist_ok=True)
        record = manifest.setdefault(notebook.stem, {"offered": [], "files": {}})
        if line := _hand_out(notebook, folder / place, record):
            done.append(f"{place.name}/{line}" if place.name else line)
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    files.write(folder / ".course.json", text.encode())
    return done


# ---- Finding notebooks ---------------------------------------------------------------


def _sources(kind: re.Pattern) -> list[Path]:
    """Return the sources with names of one kind; refuse a name of no kind."""
    found = sorted((ROOT / "notebooks" / "source").glob("*.py"))
    for path in found:
        if not (_LESSON.fullmatch(path.stem) or _EXPERIMENT.fullmatch(path.stem)):
            raise ValueError(
                "a source must be named like 01_theory.py, an experiment like phase_diagram.py, "
                f"got {path.name}"
            )
    return [path for path in found if kind.fullmatch(path.stem)]


def _stored(folder: str = "") -> list[Path]:
    return sorted((ROOT / "notebooks" / folder).glob("*.ipynb"))


def _rendered(source: Path) -> Path:
    folder = "" if _LESSON.fullmatch(source.stem) else "experiments"
    return ROOT / "notebooks" / folder / f"{source.stem}.ipynb"


def _chosen(found: list[Path], names: Iterable[str], kind: str = "lesson") -> list[Path]:
    """Return the paths that the names mean; all of them for no names."""
    wanted = {Path(name).stem for name in names}
    called = {path: {path.stem, *re.findall(r"^\d\d", path.stem)} for path in found}
    for name in sorted(wanted):
        if not any(name in callings for callings in called.values()):
            known = ", ".join(path.stem for path in found) or "none yet"
            raise ValueError(f"there is no {kind} {name!r}; there are: {known}")
    return [path for path in found if not wanted or called[path] & wanted]


def _lessons_or_named(
    lessons: list[Path], experiments: list[Path], names: Iterable[str]
) -> list[Path]:
    """Return what the names mean among both; all lessons for no names."""
    names = list(names)
    found = [*lessons, *experiments] if names else lessons
    return _chosen(found, names, "lesson or experiment" if experiments else "lesson")


# ---- Reading a source ----------------------------------------------------------------


def _read(source: Path) -> NotebookNode:
    """Read a source and hold it to every rule of the course."""
    try:
        notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    except nbformat.ValidationError as error:
        raise ValueError(f"{source.name} is not a lesson: {error.message}") from error
    for number, cell in enumerate(notebook.cells, start=1):
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's own note on blank lines
        if complaint := _complaint(cell):
            start = cell.source.strip().split("\n")[0][:40]
            raise ValueError(f"{source.name}, cell {number} ({start!r}): {complaint}")
    for tag in ("setup", "parameters"):
        count = sum(tag in _tags(cell) for cell in notebook.cells)
        if count > 1:
            raise ValueError(f"{source.name}: {count} cells are tagged {tag}; tag only one")
    return notebook


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _complaint(cell: NotebookNode) -> str:
    """Say in one sentence which rule a source cell breaks, or nothing."""
    tags = set(_tags(cell))
    if not cell.source.strip():
        return "the cell is empty; delete it"
    if other := sorted(set(cell.metadata) - {"tags"}):
        return f'a cell mark takes only tags=["..."], got {cell.metadata[other[0]]!r}'
    if unknown := sorted(tags - _TAGS):
        return f"unknown tag {unknown[0]!r}; the tags are {', '.join(sorted(_TAGS))}"
    if cell.cell_type != "code" and tags - {"solution"}:
        return "of the tags, only solution may be on a cell that is not code"
    if {"exercise", "solution"} <= tags:
        return "a cell is tagged exercise or solution, not both"
    complaint = _marker_complaint(cell.source, "exercise" in tags)
    if cell.cell_type == "code":
        complaint = complaint or _code_complaint(_without_markers(cell.source))
    return complaint


def _marker_complaint(source: str, exercise: bool) -> str:
    """Say what is wrong with a cell's solution markers, or nothing."""
    lines = source.split("\n")
    marks = [line for line in lines if _LOOKS_LIKE_MARKER.search(line)]
    if not exercise:
        return marks and f"{marks[0].strip()!r} may stand only in a code cell tagged exercise"
    for line in marks:
        if line.lstrip(" ") not in (_BEGIN, _END):
            return f"{line.strip()!r} is not a marker; write exactly {_BEGIN!r} or {_END!r}"
    if [line.strip() for line in marks] != [_BEGIN, _END]:
        return f"an exercise needs one {_BEGIN!r} and after it one {_END!r}"
    begin, end = _region(lines)
    region = [line for line in lines[begin + 1 : end] if line.strip()]
    if not region:
        return "the solution region is empty"
    if any(_indent(line) < _indent(lines[begin]) for line in [*region, lines[end]]):
        return "the solution and its end marker may not be indented less than its begin marker"
    return _stub_complaint(_stubbed(source), begin + 1)


def _stub_complaint(stubbed: str, line: int) -> str:
    """Say why a stub at that line is no exercise, or nothing."""
    try:
        tree = ast.parse(stubbed)
    except SyntaxError as error:
        return f"without its solution the cell is not Python: {error.msg}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for step in ast.walk(node):
                if isinstance(step, ast.Raise) and step.lineno == line:
                    return ""
    return "the solution region must be inside a def that stands before it"


def _code_complaint(source: str) -> str:
    """Say which rule a code cell breaks, or nothing."""
    count = len(source.split("\n"))
    if count > _LONGEST_CELL:
        return f"the cell has {count} lines and may have {_LONGEST_CELL}; split it"
    if _LOOKS_LIKE_NBVAL.search(source):
        return "tell nbval by a tag, never by a comment"
    try:
        ast.parse(source)
    except SyntaxError as error:
        if _LOOKS_LIKE_MAGIC.search(source):
            return "a lesson has no magics and no shell commands"
        return f"the cell is not Python: {error.msg}"
    return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _region(lines: list[str]) -> tuple[int, int]:
    """Return where the two markers are."""
    stripped = [line.strip() for line in lines]
    return stripped.index(_BEGIN), stripped.index(_END)


def _stubbed(source: str) -> str:
    """Replace the solution region by the line that asks for the learner's turn."""
    lines = source.split("\n")
    begin, end = _region(lines)
    return "\n".join([*lines[:begin], " " * _indent(lines[begin]) + _STUB, *lines[end + 1 :]])


def _without_markers(source: str) -> str:
    return "\n".join(line for line in source.split("\n") if line.strip() not in (_BEGIN, _END))


def _leak(source: NotebookNode, notebook: NotebookNode) -> str:
    """Say which line of a solution can be read in a notebook, or nothing."""
    secret, lesson = [], []
    for cell in source.cells:
        lines = cell.source.split("\n")
        if "solution" in _tags(cell):
            secret += lines
        elif "exercise" in _tags(cell):
            begin, end = _region(lines)
            secret += lines[begin + 1 : end]
            lesson += lines[:begin] + lines[end + 1 :]
        else:
            lesson += lines
    # A short line ("else:"), or one that the lesson itself shows, gives nothing away.
    shown, visible = "\n".join(lesson), "\n".join(_texts(notebook))
    for line in map(str.strip, secret):
        if len(line) > 12 and line not in shown and line in visible:
            return f"a learner could read this line of a solution: {line!r}"
    return ""


def _texts(notebook: NotebookNode) -> Iterator[str]:
    """Yield everything readable in a notebook: sources and text outputs."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    yield data


def _identified(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with ids that follow from its cells alone."""
    clean = nbformat.v4.new_notebook(metadata=nbformat.from_dict(deepcopy(_METADATA)))
    clean.nbformat_minor = 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        clean.cells.append(cell)
    return clean


# ---- Executing -----------------------------------------------------------------------


async def _finished(task: asyncio.Task[Run]) -> None:
    await asyncio.wait([task])


async def _run(notebook: NotebookNode, gate: asyncio.Semaphore) -> Run:
    """Execute a notebook in place, in a fresh folder."""
    async with gate:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            failure = await _run_cells(notebook, folder)
        notebook.metadata = nbformat.from_dict(deepcopy(_METADATA))
        return Run(notebook, time.perf_counter() - start, failure)


async def _run_cells(notebook: NotebookNode, folder: str) -> str:
    """Execute the code cells until one fails; say what went wrong, or nothing."""
    code = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    for _, cell in code:
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(notebook, record_timing=False, timeout=_SECONDS_PER_CELL)
    manager = client.create_kernel_manager()
    where = "before the first cell"
    try:
        await manager.start_kernel(
            cwd=folder,
            env=_kernel_environment(folder),
            extra_arguments=["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"],
        )
        await client.async_start_new_kernel_client()
        for number, (index, cell) in enumerate(code, start=1):
            where = f"cell [{number}]"
            await client.async_execute_cell(cell, index, execution_count=number)
            cell.outputs = _joined(cell.outputs)
    except CellExecutionError as error:
        return f"{where}: {experiment.sentence(error.ename, error.evalue)}"
    except CellTimeoutError:
        return f"{where}: took more than {_SECONDS_PER_CELL} s"
    except (DeadKernelError, RuntimeError) as error:
        return f"{where}: {error}"
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
        if manager.has_kernel:
            await manager.shutdown_kernel(now=True)
    return ""


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring outputs of one stream: where they are cut depends on the time."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and "text" in output and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _kernel_environment(folder: str) -> dict[str, str]:
    """Return the surroundings that make the outputs the same everywhere."""
    fixed = {
        "IPYTHONDIR": folder,  # nobody's own start-up files
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "TQDM_DISABLE": "1",
    }
    # Nobody looks on, even if this was started from a notebook that somebody looks at.
    inherited = {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}
    return {**inherited, **fixed}


def _unpublishable(notebook: NotebookNode) -> str:
    """Say which output must not be stored in a lesson, or nothing."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            where = f"cell [{cell.execution_count}]"
            if output.get("name") == "stderr":
                return f"{where} writes to stderr: {output.text.strip()[:200]!r}"
            if _WIDGET in output.get("data", {}):
                return f"{where} shows a widget, which a stored notebook cannot; draw a figure"
    return ""


# ---- Writing -------------------------------------------------------------------------


def _serialised(notebook: NotebookNode) -> bytes:
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def _why_stale(view: NotebookNode, source: Path) -> str:
    """Say in what the rendered notebook differs from its source, or nothing."""
    target = _rendered(source)
    if not target.exists():
        return "has not been rendered yet"
    try:
        stored, counts = _without_outputs(target.read_bytes())
    except (ValueError, KeyError, TypeError):
        return "is not a readable notebook"
    if stored != _without_outputs(_serialised(view))[0]:
        return "differs from its source"
    if counts != list(range(1, len(counts) + 1)):
        return "has not been executed from top to bottom"
    return ""


def _without_outputs(content: bytes) -> tuple[dict, list]:
    """Return a stored notebook less what execution added, and its counts."""
    notebook = json.loads(content)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        del cell["outputs"]
    return notebook, [cell.pop("execution_count") for cell in code]


def _outside_notebooks(folder: Path) -> Path:
    """Return the folder as a full path; refuse the one that is published."""
    folder = folder.resolve()
    if folder.is_relative_to(ROOT / "notebooks"):
        raise ValueError("notebooks/ holds the published lessons; name another folder")
    return folder


def _fingerprint(content: bytes) -> str:
    """Return a hash of what people type in a notebook: cells, not outputs."""
    try:
        cells = json.loads(content)["cells"]
        typed = [
            [cell["cell_type"], "".join(cell["source"]), cell.get("attachments")] for cell in cells
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return hashlib.sha256(content).hexdigest()  # not a notebook: any difference counts
    return hashlib.sha256(json.dumps(typed, sort_keys=True).encode()).hexdigest()


def _is_own_solution(path: Path) -> bool:
    content = path.read_bytes()
    try:
        mark = json.loads(content)["metadata"]["course"]["worked"]
    except (ValueError, KeyError, TypeError):
        return False
    return mark == _fingerprint(content)


def _manifest(folder: Path) -> dict:
    """Return what was handed out before; nothing if that is not known.

    Then every notebook that differs counts as the learner's work: the safe side.
    """
    try:
        return json.loads((folder / ".course.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _hand_out(lesson: Path, folder: Path, record: dict) -> str:
    """Bring one notebook of the learner up to date; say what was done."""
    content = lesson.read_bytes()
    new = {"bytes": hashlib.sha256(content).hexdigest(), "cells": _fingerprint(content)}
    target = folder / lesson.name
    handed = record["files"].get(target.name)
    line = ""
    if not target.exists():
        line = f"{target.name}: {'back again' if handed else 'new'}"
    elif not _edited(target, new, record):
        if handed and handed["bytes"] != new["bytes"]:
            line = f"{target.name}: updated"
    elif new["cells"] in record["offered"]:
        return ""
    else:
        target = _free_place(target, new, record)
        line = f"{lesson.name}: kept as you changed it; the new version is {target.name}"
    if line:
        files.write(target, content)
    record["files"][target.name] = new
    record["offered"] = sorted({*record["offered"], new["cells"]})
    return line


def _edited(path: Path, new: dict, record: dict) -> bool:
    """Say whether a file holds anything that the course did not put there."""
    handed = record["files"].get(path.name, new)
    return _fingerprint(path.read_bytes()) not in (handed["cells"], new["cells"])


def _free_place(target: Path, new: dict, record: dict) -> Path:
    """Return the first place for an update where no edits are."""
    number, place = 1, target.with_name(f"{target.stem}.updated.ipynb")
    while place.exists() and _edited(place, new, record):
        number += 1
        place = target.with_name(f"{target.stem}.updated-{number}.ipynb")
    return place
