"""Forms in which a notebook comes back from editors, platforms and mishaps."""

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import nbformat

from classroom.answers import STUB
from classroom.cases import EXERCISE
from classroom.writing import Book, Shape, as_bytes, block, new_cell, place_of


def without_metadata(book: Book) -> Book:
    """Forget tags and ids, as some editors do."""
    for cell in book["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    return book | {"metadata": {}, "nbformat_minor": 4}


def without_outputs(book: Book) -> Book:
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return book


def from_colab(book: Book) -> Book:
    for index, cell in enumerate(without_metadata(book)["cells"]):
        cell["metadata"] = {
            "id": f"a1B{index:09d}",
            "colab": {"base_uri": "https://localhost:8080/"},
        }
    colab = {"provenance": [], "toc_visible": True}
    kernel = {"name": "python3", "display_name": "Python 3"}
    book["metadata"] = {"colab": colab, "kernelspec": kernel, "accelerator": "GPU"}
    return book | {"nbformat_minor": 0}


def from_vscode(book: Book) -> Book:
    for index, cell in enumerate(book["cells"]):
        cell["metadata"] = {"vscode": {"languageId": "python"}}
        cell["id"] = f"W{index}sZmlsZQ=="[:12]
        cell["source"] = "".join(cell["source"])
    kernel = {"display_name": ".venv", "language": "python", "name": "python3"}
    version = {"name": "ipython", "version": 3}
    language = {"name": "python", "version": "3.11.9", "codemirror_mode": version}
    book["metadata"] = {"kernelspec": kernel, "language_info": language, "orig_nbformat": 4}
    return book | {"nbformat_minor": 2}


def in_version_3(book: Book) -> Book:
    return nbformat.convert(nbformat.reads(json.dumps(without_outputs(book)), as_version=4), 3)


def in_version_4_0(book: Book) -> Book:
    for cell in book["cells"]:
        del cell["id"]
    return book | {"nbformat_minor": 0}


def grown(book: Book) -> Book:
    """Add a picture of 10 MB to the outputs."""
    digest = hashlib.sha256(b"picture").hexdigest()
    picture = {"image/png": digest * (10 * 2**20 // len(digest))}
    output = {"output_type": "display_data", "data": picture, "metadata": {}}
    book["cells"][place_of(book, EXERCISE)]["outputs"] = [output]
    return book


def with_cell(source: str, *, after: bool = False, kind: str = "code") -> Shape:
    """Return a shape that adds a cell beside the answer's."""

    def shape(book: Book) -> Book:
        book["cells"].insert(place_of(book, EXERCISE) + after, new_cell(source, kind))
        return book

    return shape


def with_setup(addition: str) -> Shape:
    """Return a shape that adds lines to the lesson's setup cell."""

    def shape(book: Book) -> Book:
        setup = next(c for c in book["cells"] if "setup" in c["metadata"].get("tags", []))
        setup["source"] = [*setup["source"], "\n", *block(addition).splitlines(keepends=True)]
        return book

    return shape


def copied(book: Book) -> Book:
    book["cells"].append(copy.deepcopy(book["cells"][place_of(book, EXERCISE)]))
    return book


def without_the_cell(book: Book) -> Book:
    del book["cells"][place_of(book, EXERCISE)]
    return book


def answered_in_the_check(book: Book) -> Book:
    """Leave the stub alone and write the answer above the check."""
    place = place_of(book, EXERCISE)
    answer, book["cells"][place]["source"] = book["cells"][place]["source"], [block(STUB)]
    check = book["cells"][place + 1]
    check["source"] = [*answer, "\n\n", *check["source"]]
    return book


def reordered(book: Book) -> Book:
    """Put all exercises first, last one on top, and the setup at the end."""
    cells = book["cells"]
    exercises = [cell for cell in cells if "exercise" in cell["metadata"].get("tags", [])]
    rest = [cell for cell in cells if cell not in exercises]
    return book | {"cells": [*exercises[::-1], *rest[::-1]]}


def in_one_cell(book: Book) -> Book:
    """Put all answers into one new cell and delete the stubs."""
    exercises = [c for c in book["cells"] if "exercise" in c["metadata"].get("tags", [])]
    rest = [cell for cell in book["cells"] if cell not in exercises]
    source = "\n\n\n".join("".join(cell["source"]) for cell in exercises)
    return book | {"cells": [*rest, new_cell(source)]}


def split(book: Book) -> Book:
    """Split the answer's cell where its function begins, as Ctrl-Shift-Minus does."""
    place = place_of(book, EXERCISE)
    cell = book["cells"][place]
    source = "".join(cell["source"])
    cut = source.index(f"def {EXERCISE}(")
    below = copy.deepcopy(cell) | {"id": "splitbelow", "source": [source[cut:]]}
    book["cells"][place : place + 1] = [cell | {"source": [source[:cut]]}, below]
    return book


def with_carriage_returns(book: Book) -> bytes:
    for cell in book["cells"]:
        cell["source"] = [line.replace("\n", "\r\n") for line in cell["source"]]
    return as_bytes(book).replace(b"\n", b"\r\n")


def with_byte_order_mark(book: Book) -> bytes:
    return b"\xef\xbb\xbf" + json.dumps(book, ensure_ascii=False).encode()


def cut_off(book: Book) -> bytes:
    content = as_bytes(book)
    return content[: len(content) // 2]


def beside(write: Callable[[Path], None], *others: Callable[[Path], None]) -> Callable:
    """Return a writer of several files."""

    def write_all(folder: Path) -> None:
        for one in (write, *others):
            one(folder)

    return write_all
