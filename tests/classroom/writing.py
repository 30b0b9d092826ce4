"""Write a student's notebook, with answers in the place of the stubs."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from textwrap import dedent

from classroom import traces
from classroom.cases import EXERCISE, ROOT
from helpers import files

FILE = "01_theory.ipynb"


Book = dict
Shape = Callable[[Book], Book]


@cache
def lesson_text() -> str:
    return (ROOT / "notebooks" / FILE).read_text(encoding="utf-8")


def place_of(book: Book, name: str) -> int:
    """Return the index of the cell that asks for a function."""
    return next(
        index
        for index, cell in enumerate(book["cells"])
        if "exercise" in cell["metadata"].get("tags", [])
        and f"def {name}(" in "".join(cell["source"])
    )


def block(text: str) -> str:
    return dedent(text).strip("\n")


def new_cell(source: str, kind: str = "code") -> dict:
    source = block(source)
    cell = {"cell_type": kind, "id": hashlib.sha256(source.encode()).hexdigest()[:8]}
    cell |= {"metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def as_bytes(book: object) -> bytes:
    # Everything beyond ASCII is escaped: half a surrogate pair has no other form.
    return (json.dumps(book, indent=1) + "\n").encode()


def notebook(answer: str, **changes: str) -> dict:
    """Return lesson 01 as a student saves it, with their own answers in the stubs' place.

    Args:
        answer: The source of the cell of ``sigmoid_chain_grad``.
        **changes: Sources of the cells of other exercises, by the exercise's name.
    """
    book = json.loads(lesson_text())
    for name, source in {EXERCISE: answer, **changes}.items():
        book["cells"][place_of(book, name)]["source"] = block(source).splitlines(keepends=True)
    return book


def hands_in(
    answer: str,
    shape: Shape | None = None,
    encode: Callable[[Book], bytes] = as_bytes,
    file: str = FILE,
    **changes: str,
) -> Callable[[Path], None]:
    """Return a writer of one notebook, its form changed where ``shape`` says how."""

    def write(folder: Path) -> None:
        book = notebook(filled_in(answer, folder), **changes)
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, encode(shape(book) if shape else book))

    return write


def hands_over(content: bytes, file: str = FILE) -> Callable[[Path], None]:
    """Return a writer of one file that is no notebook."""

    def write(folder: Path) -> None:
        files.write(folder / file, content)

    return write


def filled_in(source: str, folder: Path) -> str:
    """Fill in what an attacker may have found out about this machine."""
    for name, value in (
        ("@HERE@", str(folder.absolute())),
        ("@COURSE@", str(ROOT)),
        ("@EVIDENCE@", traces.EVIDENCE),
        ("@PORT@", str(traces.PORT)),
        ("@LINE@", traces.LINE),
        ("@KEY@", str(traces.FIRST_KEY)),
        ("@PROCESSES@", str(namespace())),
    ):
        source = source.replace(name, value)
    return source


def namespace() -> str:
    """Return which processes are in sight here; attacks that kill at random need others."""
    link = Path("/proc/self/ns/pid")
    return str(link.readlink()) if link.is_symlink() else ""


def joined(*texts: str) -> str:
    return "\n\n".join(block(text) for text in texts if text)
