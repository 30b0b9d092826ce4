"""Hostile notebooks: odd as files, whatever their code says."""

import os
from collections.abc import Callable
from pathlib import Path

from classroom.answers import SLOPES
from classroom.cases import (
    ENDED,
    ERROR,
    EXERCISE,
    MISSING,
    NOT_HANDED_IN,
    ROOT,
    TIMED_OUT,
    UNREADABLE,
    WRONG,
)
from classroom.comparisons import PATCHES
from classroom.forms import with_cell
from classroom.tricks import ZEROS, hostile
from classroom.writing import FILE, Book, Shape, block, hands_over, new_cell, place_of


def _with_a_cell(**fields: object) -> Shape:
    """Return a shape that changes the fields of the answer's cell."""

    def shape(book: Book) -> Book:
        book["cells"][place_of(book, EXERCISE)] |= fields
        return book

    return shape


def _with_cells(cells: object) -> Shape:
    return lambda book: book | {"cells": cells}


def _link_to(target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / FILE).symlink_to(target)


def _sparse(folder: Path) -> None:
    with (folder / FILE).open("wb") as file:
        file.truncate(4 * 2**30)  # nothing is stored


def _in_place_of_the_setup(source: str) -> Shape:
    def shape(book: Book) -> Book:
        setup = next(c for c in book["cells"] if "setup" in c["metadata"].get("tags", []))
        setup["source"] = block(source)
        return book

    return shape


_WRONG_ANSWER = f"def {EXERCISE}(x, depth):\n    {ZEROS}"
_ANY_REFUSAL = UNREADABLE | NOT_HANDED_IN
# Sources whose syntax tree is too deep for Python itself.
_DEEP = {
    "minus": "y = " + "-" * 200_000 + "1",
    "sums": "y = " + "+".join(["1"] * 100_000),
    "attributes": "y = torch" + ".nn" * 100_000,
    "calls": "y = print" + "()" * 100_000,
    "brackets": "y = " + "[" * 5_000 + "]" * 5_000,
    "branches": "if 0:\n    pass\n" + "elif 0:\n    pass\n" * 20_000,
}

NOTEBOOKS = (
    *(
        hostile(
            f"deep_source_{name}",
            f"{source}\n\n{_WRONG_ANSWER}",
            "Python cannot read it, in any process",
            ERROR | WRONG | MISSING | ENDED,
        )
        for name, source in _DEEP.items()
    ),
    hostile(
        "long_line",
        "def sigmoid_chain_grad(" * 200_000,
        "five megabytes that are no function",
        ERROR | MISSING | UNREADABLE,
    ),
    hostile(
        "null_bytes_in_the_source",
        _WRONG_ANSWER + "\n# \x00",
        "Python refuses such a source",
        ERROR | WRONG | MISSING | UNREADABLE,
    ),
    hostile(
        "half_a_letter_in_the_source",
        _WRONG_ANSWER + "\n# \ud800",
        "cannot be written as UTF-8",
        ERROR | WRONG | MISSING | UNREADABLE,
    ),
    hostile(
        "setup_of_its_own",
        _WRONG_ANSWER,
        "the instructor's setup is run, and wrong is wrong",
        WRONG,
        shape=_in_place_of_the_setup(PATCHES),
    ),
    hostile(
        "check_of_its_own",
        _WRONG_ANSWER,
        "what its own check says earns nothing",
        WRONG,
        shape=with_cell(
            'print("Exercise 1.2 · sigmoid_chain_grad: correct (5 of 5 points).")', after=True
        ),
    ),
    hostile(
        "points_in_the_metadata",
        _WRONG_ANSWER,
        "marks are not the student's to write",
        WRONG,
        shape=_with_a_cell(
            metadata={"tags": ["exercise"], "nbgrader": {"grade": True, "points": 100}, "score": 5}
        ),
    ),
    hostile(
        "source_is_a_number",
        SLOPES,
        "a cell without text",
        MISSING | UNREADABLE,
        shape=_with_a_cell(source=5),
    ),
    hostile(
        "source_is_a_deep_list",
        SLOPES,
        "a cell without text",
        MISSING | UNREADABLE | ERROR,
        shape=_with_a_cell(source=[[["def"]], {"a": 1}, None]),
    ),
    hostile(
        "cells_are_text",
        SLOPES,
        "a notebook without cells",
        MISSING | UNREADABLE,
        shape=_with_cells("cells"),
    ),
    hostile(
        "cells_are_odd",
        SLOPES,
        "cells that are none",
        MISSING | UNREADABLE,
        shape=_with_cells([None, 5, "cell", [], {}, {"cell_type": "code"}]),
    ),
    hostile(
        "metadata_is_odd",
        _WRONG_ANSWER,
        "odd where nobody needs to look, and wrong",
        WRONG | UNREADABLE,
        shape=_with_a_cell(metadata=None, outputs="none", execution_count="first"),
    ),
    hostile(
        "a_hundred_thousand_cells",
        _WRONG_ANSWER,
        "wrong, however many cells there are",
        WRONG | UNREADABLE | TIMED_OUT,
        shape=lambda book: book | {"cells": [new_cell("pass")] * 100_000 + book["cells"]},
    ),
    hostile("deep_json", hands_over(b"[" * 10**6), "no notebook", UNREADABLE),
    hostile(
        "deep_metadata",
        hands_over(b'{"cells": [], "metadata": ' + b'{"a":' * 10**5 + b"1" + b"}" * 10**5 + b"}"),
        "no notebook",
        UNREADABLE | MISSING,
    ),
    hostile(
        "a_long_number",
        hands_over(b'{"cells": [], "nbformat": ' + b"9" * 10**6 + b"}"),
        "no notebook",
        UNREADABLE | MISSING,
    ),
    hostile("four_empty_gigabytes", _sparse, "no notebook", UNREADABLE),
    hostile(
        "link_to_a_neighbour",
        _link_to(f"../a_neighbour/{FILE}"),
        "a classmate's file is not the student's own",
        _ANY_REFUSAL,
    ),
    hostile(
        "link_to_the_solution",
        _link_to(str(ROOT / "notebooks" / "source" / "01_theory.py")),
        "the instructor's file is not the student's own",
        _ANY_REFUSAL,
    ),
    hostile("link_to_no_end", _link_to("/dev/zero"), "has no end", _ANY_REFUSAL),
    hostile("link_to_itself", _link_to(FILE), "leads nowhere", _ANY_REFUSAL),
    hostile("pipe", lambda folder: os.mkfifo(folder / FILE), "nobody writes into it", _ANY_REFUSAL),
    hostile("folder", lambda folder: (folder / FILE).mkdir(), "no file", _ANY_REFUSAL),
    hostile("=1+2, <b onclick=alert(1)>", _WRONG_ANSWER, "the name is meant for a spreadsheet"),
)
