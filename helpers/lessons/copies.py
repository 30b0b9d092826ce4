"""Bring notebooks into folders of learners and teachers, never over what they wrote."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import nbformat

from helpers import files
from helpers.lessons import reference, sources, views
from helpers.lessons.run import execute


def learner_copy(folder: Path) -> list[str]:
    """Bring a learner's own folder up to date without touching their work.

    A notebook whose cells the learner has not edited is replaced by its new
    version (running it is not editing it). Beside an edited one the new
    version is laid as ``01_theory.updated.ipynb``, once. A deleted notebook
    comes back. Experiments have a folder of their own, as links expect. The
    glossary and the other pages of reference lie beside the lessons.

    Args:
        folder: The learner's folder; made when missing.

    Returns:
        What was done, one line per file; empty when there was nothing to do.

    Raises:
        ValueError: If nothing has been rendered yet, or the folder is the
            course's own.
    """
    folder = _outside_notebooks(folder)
    rendered = sources.paths()
    if not rendered:
        raise ValueError("notebooks/ holds no rendered lesson yet; run `course render` first")
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _manifest(folder)
    done = []
    for notebook in [*rendered, *sources.experiments()]:
        place = notebook.parent.relative_to(sources.ROOT / "notebooks")
        (folder / place).mkdir(exist_ok=True)
        record = manifest.setdefault(notebook.stem, {"offered": [], "files": {}})
        if line := _hand_out(_own(notebook), folder / place / notebook.name, record):
            done.append(f"{place.name}/{line}" if place.name else line)
    for page in reference.paths():
        record = manifest.setdefault(page.name, {"offered": [], "files": {}})
        if line := _hand_out(reference.handed_out(page).encode(), folder / page.name, record):
            done.append(line)
    _write_manifest(folder, manifest)
    return done


def reset(folder: Path, names: Iterable[str]) -> list[str]:
    """Put fresh copies of notebooks into a learner's folder; what was there gets another name.

    Args:
        folder: The learner's folder.
        names: Which lessons and experiments.

    Returns:
        What was done, one line per notebook.

    Raises:
        ValueError: If there is no such notebook, or no folder yet.
    """
    folder = _outside_notebooks(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder.name}/ is not there yet; `make lab` makes it")
    manifest = _manifest(folder)
    done = []
    for notebook in sources.notebooks(names):
        own = folder / notebook.relative_to(sources.ROOT / "notebooks")
        record = manifest.setdefault(notebook.stem, {"offered": [], "files": {}})
        place = next(one for one in _beside(own, "mine") if not one.exists())
        kept = own.exists()
        if kept:
            own.rename(place)
        own.parent.mkdir(exist_ok=True)
        _hand_out(_own(notebook), own, record)
        done.append(f"{own.name}: fresh" + (f"; yours is now {place.name}" if kept else ""))
    _write_manifest(folder, manifest)
    return done


def solutions(folder: Path, names: Iterable[str] = (), workers: int | None = None) -> Iterator[str]:
    """Execute the worked version of each lesson and store it in a folder.

    The pages that lessons link to are laid beside them, unless they are there.

    Args:
        folder: Where to; made when missing. A file in it is replaced only if
            it is a worked version from here that nobody has edited.
        names: Which lessons; all when empty.
        workers: How many at a time; one for each processor when omitted.

    Yields:
        One line per lesson: what was done.

    Raises:
        ValueError: If the folder is the course's own, a file is in the way, a
            source breaks a rule or a cell fails.
    """
    folder = _outside_notebooks(folder)
    chosen = sources.source_files(names)
    for target in (folder / f"{path.stem}.ipynb" for path in chosen):
        if target.exists() and not _is_own_solution(target):
            raise ValueError(
                f"{target} is in the way: it is not a worked version as the course made it; "
                "move it or name another folder"
            )
    worked = [views.worked_view(path) for path in chosen]
    failed = []
    for path, run in zip(chosen, execute(worked, workers), strict=True):
        if run.failure:
            failed.append(path.stem)
            yield f"{path.stem}: FAILED, {run.failure}"
            continue
        for cell in run.notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = reference.beside_lessons(cell.source)
        run.notebook.metadata["course"] = {"worked": _fingerprint(views.serialised(run.notebook))}
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / f"{path.stem}.ipynb", views.serialised(run.notebook))
        yield f"{path.stem}: worked version written after {run.seconds:.1f} s"
    for page in reference.paths():
        if folder.is_dir() and not (folder / page.name).exists():
            files.write(folder / page.name, reference.handed_out(page).encode())
    if failed:
        raise ValueError(f"not written: {', '.join(failed)}")


def _outside_notebooks(folder: Path) -> Path:
    """Return the folder as a full path; refuse the one that is published."""
    folder = folder.resolve()
    if folder.is_relative_to(sources.ROOT / "notebooks"):
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


def _manifest(folder: Path) -> dict[str, Any]:
    """Return what was handed out before; nothing if that is not known.

    Then every notebook that differs counts as the learner's work: the safe side.
    """
    try:
        return json.loads((folder / ".course.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Note what was handed out."""
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    files.write(folder / ".course.json", text.encode())


def _own(notebook: Path) -> bytes:
    """Return a rendered notebook as a learner gets it."""
    return views.serialised(views.learners_own(nbformat.read(notebook, as_version=4)))


def _hand_out(content: bytes, target: Path, record: dict[str, Any]) -> str:
    """Bring one file of the learner up to date; say what was done."""
    name = target.name
    new = {"bytes": hashlib.sha256(content).hexdigest(), "cells": _fingerprint(content)}
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
        line = f"{name}: kept as you changed it; the new version is {target.name}"
    if line:
        files.write(target, content)
    record["files"][target.name] = new
    record["offered"] = sorted({*record["offered"], new["cells"]})
    return line


def _edited(path: Path, new: dict[str, str], record: dict[str, Any]) -> bool:
    """Say whether a file holds anything that the course did not put there."""
    handed = record["files"].get(path.name, new)
    return _fingerprint(path.read_bytes()) not in (handed["cells"], new["cells"])


def _free_place(target: Path, new: dict[str, str], record: dict[str, Any]) -> Path:
    """Return the first place for an update where no edits are."""
    places = _beside(target, "updated")
    return next(one for one in places if not one.exists() or not _edited(one, new, record))


def _beside(target: Path, word: str) -> Iterator[Path]:
    """Yield names for another version of a file, such as 01_theory.mine-2.ipynb."""
    yield target.with_name(f"{target.stem}.{word}{target.suffix}")
    for number in count(2):
        yield target.with_name(f"{target.stem}.{word}-{number}{target.suffix}")
