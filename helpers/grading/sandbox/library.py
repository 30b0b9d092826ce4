"""The folder that a server finds as its library: what students have, and the sandbox itself.

Runs outside. Nothing in the folder is secret: a student's code may read all of it. It is made
anew for each run of the grader, from ``release.library``, which holds no reference and no
solution, and from the modules that the server needs, which import none.
"""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import matplotlib

import helpers
from helpers import files
from helpers.grading import sandbox
from helpers.grading.hand_back import release

_HELPERS = Path(helpers.__file__).parent
_WARM = (
    "warm/__init__.py",
    "warm/engine.py",
    "warm/preload.py",
    "warm/process.py",
)  # what starts a server with all imported
SERVER_FILES = (
    *("grading/__init__.py", "grading/sandbox/__init__.py"),
    *(f"grading/sandbox/{name}.py" for name in sandbox.INSIDE),
    *_WARM,
)


def make_folder(out: Path) -> Path:
    """Make a temporary folder, and remove the one that a killed grader has left.

    Args:
        out: The folder of marks, where a note says which folder it was.

    Returns:
        The new folder, which is empty.
    """
    note, shared = out / ".library", Path(tempfile.gettempdir())
    if note.exists():
        left = Path(note.read_text(encoding="utf-8"))
        if left.parent == shared and left.name.startswith("course"):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="course", dir=shared))
    files.write(note, str(folder).encode())
    return folder


def remove_folder(out: Path, folder: Path) -> None:
    """Remove the temporary folder and the note about it."""
    shutil.rmtree(folder, ignore_errors=True)
    (out / ".library").unlink(missing_ok=True)


def write(folder: Path) -> None:
    """Write the library into an empty folder, readable for whatever user a worker becomes.

    Args:
        folder: Where ``helpers/`` and ``matplotlib/`` go.
    """
    release.library(folder)
    for name in SERVER_FILES:
        target = folder / "helpers" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_HELPERS / name, target)
    (folder / "matplotlib").mkdir()
    for fonts in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        with suppress(OSError):  # without it the server looks for fonts itself
            shutil.copyfile(fonts, folder / "matplotlib" / fonts.name)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
