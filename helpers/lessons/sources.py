"""Find the sources of lessons and experiments, and the notebooks rendered from them."""

import re
from collections.abc import Iterable
from pathlib import Path

import helpers

# The repository. The package is always installed editable, from its clone.
ROOT = Path(helpers.__file__).resolve().parent.parent

_LESSON = re.compile(r"\d\d(_[a-z0-9]+)+")
PRESETS: dict[str, tuple[str, dict[str, object]]] = {
    "ten_thousand_layers": ("deep", {"depth": 10_000, "gain": 1.02, "bias_var": 2e-5}),
    "hundred_thousand_layers": ("deep", {"depth": 100_000, "least_accuracy": 0.95}),
}
"""Names that stand for an experiment and some of its parameters."""

_EXPERIMENT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def source_files(names: Iterable[str] = ()) -> list[Path]:
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
    return _chosen(_written(_LESSON), names)


def all_source_files(names: Iterable[str] = ()) -> list[Path]:
    """Return the source files of lessons and experiments, lessons first.

    Args:
        names: Which lessons and experiments; all of both when empty.

    Returns:
        Paths under ``notebooks/source``.

    Raises:
        ValueError: As ``source_files``.
    """
    return _chosen_of_both(_written(_LESSON), _written(_EXPERIMENT), names)


def is_lesson(source: Path) -> bool:
    """Say whether a source is that of a lesson, by its name; else it is an experiment's."""
    return bool(_LESSON.fullmatch(source.stem))


def notebook_of(source: Path) -> Path:
    """Return where the notebook of a source file is, or will be.

    Args:
        source: A path under ``notebooks/source``.
    """
    folder = "" if is_lesson(source) else "experiments"
    return ROOT / "notebooks" / folder / f"{source.stem}.ipynb"


def paths(names: Iterable[str] = ()) -> list[Path]:
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
    names = list(names)
    return _chosen_of_both(_stored(), _stored("experiments"), names) if names else _stored()


def _written(kind: re.Pattern[str]) -> list[Path]:
    """Return the sources with names of one kind; refuse a name of neither kind."""
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


def _chosen(found: list[Path], names: Iterable[str], kind: str = "lesson") -> list[Path]:
    """Return the paths that the names mean; all of them for no names."""
    wanted = {Path(name).stem for name in names}
    called = {path: {path.stem, *re.findall(r"^\d\d", path.stem)} for path in found}
    for name in sorted(wanted):
        if not any(name in callings for callings in called.values()):
            known = ", ".join(path.stem for path in found) or "none yet"
            raise ValueError(f"there is no {kind} {name!r}; there are: {known}")
    return [path for path in found if not wanted or called[path] & wanted]


def _chosen_of_both(
    lessons: list[Path], experiments: list[Path], names: Iterable[str]
) -> list[Path]:
    """Return what the names mean among both; all of both for no names."""
    kind = "lesson or experiment" if experiments else "lesson"
    return _chosen([*lessons, *experiments], names, kind)
