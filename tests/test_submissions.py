import json
import os
import shutil
import socket
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import exercises, lessons
from helpers.exercises import marking
from helpers.grading.collect import notebook_file
from helpers.grading.collect.lesson import lesson as read_lesson
from helpers.grading.collect.submissions import Found, find, read

NAME = "sigmoid_chain_grad"
RENDERED = lessons.paths()
LESSONS = [read_lesson(path) for path in RENDERED]
THEORY = next(lesson for lesson in LESSONS if lesson.name == "01_theory")
PUBLISHED = json.loads(next(p for p in RENDERED if p.stem == "01_theory").read_bytes())

STUB = '''def sigmoid_chain_grad(x: torch.Tensor, depth: int) -> torch.Tensor:
    """Derivative of `depth` nested sigmoids at x, elementwise."""
    raise NotImplementedError  # your turn'''
ANSWER = """def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        slope = slope * x * (1 - x)
    return slope"""
WRONG = "def sigmoid_chain_grad(x, depth):\n    return 0.25**depth * x"
HELPER = "def one_step(x):\n    s = torch.sigmoid(x)\n    return s, s * (1 - s)"
WITH_HELPER = """def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        x, factor = one_step(x)
        slope = slope * factor
    return slope"""
CHECK = "exercises.check(sigmoid_chain_grad)"


def code(source, **others):
    return {"cell_type": "code", "metadata": {}, "outputs": [], "source": source, **others}


def notebook(*answer, top=(), end=()):
    """Return the published notebook with these cells in place of the stub of 1.2."""
    cells = []
    for cell in PUBLISHED["cells"]:
        if "".join(cell["source"]) == STUB:
            cells += [code(source) for source in answer]
        else:
            cells.append(cell)
        if "parameters" in cell["metadata"].get("tags", []):
            cells += [code(source) for source in top]
    return {**PUBLISHED, "cells": [*cells, *(code(source) for source in end)]}


def handed_in(folder, content, name="01_theory.ipynb", lesson=THEORY):
    """Lay a notebook into a student's folder and read it."""
    path = folder / "ada" / name
    path.parent.mkdir(exist_ok=True)
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    path.write_bytes(content)
    return read(Found("ada", "01_theory", path), lesson, folder)


def outcome(handed, lesson=THEORY, name=NAME):
    """Run the setup and the cells as a notebook would, and judge what they define."""
    world = {"__name__": "__main__"}
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(lesson.setup, world)
        for source in handed.cells:
            try:
                exec(source, world)
            except Exception:
                continue
    return marking.judge(exercises.ALL[name], world[name]).status


def sources(path):
    return ["".join(c["source"]) for c in json.loads(path.read_bytes())["cells"]]


# ---- Lessons -------------------------------------------------------------------------


def test_a_lesson_is_read_from_the_rendered_notebook():
    assert THEORY.exercises == (
        "layers_until",
        "sigmoid_chain_grad",
        "backward_deltas",
        "norm_per_layer",
    )
    assert THEORY.stubs[NAME] == STUB
    assert THEORY.setup.startswith("import math\n")
    assert THEORY.setup.endswith("seed = 0\ndepth = 20\nwidth = 128\ndraws = 5")
    code_cells = [cell for cell in PUBLISHED["cells"] if cell["cell_type"] == "code"]
    assert len(THEORY.given) == len(code_cells) - len(THEORY.exercises)
    assert THEORY.given[0].tags == ("setup",)
    assert {cell.source: cell.after for cell in THEORY.given}[CHECK] == NAME


def test_what_is_asked_for_is_what_the_exercises_know():
    asked = [name for lesson in LESSONS for name in lesson.exercises]
    assert asked == list(exercises.ALL)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is not a rendered lesson: this file is empty"),
        (b"{}", "it has no cells"),
        (b'{"cells": []}', "no cell is tagged exercise"),
        (
            b'{"cells": [{"source": "x = 1", "metadata": {"tags": ["exercise"]}}]}',
            "a cell tagged exercise must define one function",
        ),
        (
            b'{"cells": [{"source": "def f(", "metadata": {"tags": ["exercise"]}}]}',
            "a cell tagged exercise must define one function",
        ),
    ],
)
def test_what_is_no_lesson_is_refused(tmp_path, content, complaint):
    path = tmp_path / "01_theory.ipynb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_lesson(path)


@pytest.mark.parametrize("place", range(len(LESSONS)), ids=[one.name for one in LESSONS])
def test_each_lesson_as_published_is_not_attempted(place):
    lesson, path = LESSONS[place], RENDERED[place]
    submission = read(Found("ada", lesson.name, path), lesson, path.parent)
    assert (submission.trouble, submission.notes) == ("", ())
    assert submission.file == path.name
    handed = submission.answers
    assert list(handed) == list(lesson.exercises)
    assert {(one.status, one.cells, one.reason) for one in handed.values()} == {
        ("not attempted", (), "")
    }


@pytest.mark.parametrize("place", range(len(LESSONS)), ids=[one.name for one in LESSONS])
def test_each_worked_lesson_is_correct(tmp_path, place):
    lesson = LESSONS[place]
    worked = lessons.worked_view(lessons.source_files([lesson.name])[0])
    path = tmp_path / "ada.ipynb"
    path.write_text(nbformat.writes(worked), encoding="utf-8")
    submission = read(Found("ada", lesson.name, path), lesson, tmp_path)
    assert submission.notes == ()
    for name, handed in submission.answers.items():
        assert handed.status == "attempted"
        assert len(handed.cells) == 1
        assert outcome(handed, lesson, name) == "correct"


# ---- Which cells ---------------------------------------------------------------------

IMPORTED = "from functools import partial\nimport scipy.special as special"
DEMO = "z = torch.linspace(-3, 3, 7)\nprint(sigmoid_chain_grad(z, 2))"
HEAVY = "for _ in range(10**9):\n    weights = torch.randn(1000, 1000)"
STEP_AND_RATE = (
    "rate = 1.0\n\n\ndef one_step(x):\n    s = torch.sigmoid(x)\n    return s, rate * s * (1 - s)"
)
AS_LAMBDA = (
    "sigmoid_chain_grad = lambda x, depth: (\n"
    "    one_step(x)[1] if depth == 1 else "
    "one_step(x)[1] * sigmoid_chain_grad(one_step(x)[0], depth - 1)\n)"
)
AS_CLASS = (
    "class Chain:\n    def __call__(self, x, depth):\n"
    "        return plain_chain(x, depth)\n\n\nsigmoid_chain_grad = Chain()"
)
PLAIN_CHAIN = ANSWER.replace(NAME, "plain_chain")
DECORATED = "@torch.no_grad()\n@checked\n" + ANSWER
CHECKED = "def checked(function):\n    return lambda x, depth: function(x, depth)"
IN_TRY = (
    "try:\n    import nothing_of_this_name\nexcept ImportError:\n"
    "    def sigmoid_chain_grad(x, depth):\n        return plain_chain(x, depth)"
)
CALLS_MEMO = (
    "def sigmoid_chain_grad(x, depth):\n    memo['calls'] += 1\n    return plain_chain(x, depth)"
)

# For each case the cells in place of the stub, and of them those that are to be run.
NEEDED = {
    "the answer": ([ANSWER], [ANSWER]),
    "the answer of the worked lesson, checked and shown": (
        [ANSWER, CHECK, "exercises.check(sigmoid_chain_grad)  # hurrah", DEMO],
        [ANSWER],
    ),
    "a helper before": ([HELPER, WITH_HELPER], [HELPER, WITH_HELPER]),
    "a helper after": ([WITH_HELPER, HELPER], [WITH_HELPER, HELPER]),
    "a helper that needs a number": (
        [STEP_AND_RATE, "scratch = one_step(torch.ones(2))", WITH_HELPER],
        [STEP_AND_RATE, WITH_HELPER],
    ),
    "scratch, a long computation and a plot": (
        [HEAVY, ANSWER, "import matplotlib.pyplot as plt\nplt.plot(range(3))", DEMO],
        [ANSWER],
    ),
    "the last of two definitions": ([WRONG, ANSWER], [WRONG, ANSWER]),
    "the answer twice": ([ANSWER, ANSWER], [ANSWER, ANSWER]),
    "the stub after the answer": ([ANSWER, STUB], [ANSWER]),
    "the stub before the answer": ([STUB, ANSWER], [ANSWER]),
    "a broken copy after the answer": ([ANSWER, ANSWER + ")"], [ANSWER]),
    "the setup again": ([THEORY.given[0].source, ANSWER], [ANSWER]),
    "imports that the setup has": (
        [f"import torch\nimport math\n{HEAVY}", ANSWER],
        [ANSWER],
    ),
    "an import of its own": (
        ["from torch import sigmoid as squash", ANSWER.replace("torch.sigmoid", "squash")],
        ["from torch import sigmoid as squash", ANSWER.replace("torch.sigmoid", "squash")],
    ),
    "a star import": (
        ["from math import *", HEAVY, ANSWER.replace("torch.sigmoid(x)", "1 / (1 + e**-x)")],
        ["from math import *", ANSWER.replace("torch.sigmoid(x)", "1 / (1 + e**-x)")],
    ),
    "a lambda": ([HELPER, AS_LAMBDA], [HELPER, AS_LAMBDA]),
    "an object that can be called": ([AS_CLASS, PLAIN_CHAIN], [AS_CLASS, PLAIN_CHAIN]),
    "partial": (
        [IMPORTED, PLAIN_CHAIN, "sigmoid_chain_grad = partial(plain_chain)"],
        [IMPORTED, PLAIN_CHAIN, "sigmoid_chain_grad = partial(plain_chain)"],
    ),
    "decorators": ([CHECKED, DECORATED], [CHECKED, DECORATED]),
    "a definition in try": ([PLAIN_CHAIN, IN_TRY], [PLAIN_CHAIN, IN_TRY]),
    "a definition in if": (
        [PLAIN_CHAIN, "if torch.__version__:\n    sigmoid_chain_grad = plain_chain"],
        [PLAIN_CHAIN, "if torch.__version__:\n    sigmoid_chain_grad = plain_chain"],
    ),
    "a definition through global": (
        [PLAIN_CHAIN, "def make():\n    global sigmoid_chain_grad\n"
         "    sigmoid_chain_grad = plain_chain\n\n\nmake()"],
        [PLAIN_CHAIN, "def make():\n    global sigmoid_chain_grad\n"
         "    sigmoid_chain_grad = plain_chain\n\n\nmake()"],
    ),
    "a walrus in a comprehension": (
        [PLAIN_CHAIN, "[(sigmoid_chain_grad := plain_chain) for _ in range(1)]"],
        [PLAIN_CHAIN, "[(sigmoid_chain_grad := plain_chain) for _ in range(1)]"],
    ),
    "a number that a function counts up": (
        ["calls = 0", f"def count():\n    global calls\n    calls += 1\n\n\n{ANSWER}\n\n\ncount()"],
        ["calls = 0", f"def count():\n    global calls\n    calls += 1\n\n\n{ANSWER}\n\n\ncount()"],
    ),
    "names of loops, comprehensions and branches": (
        ["k = v = n = 1\n" + HEAVY, f"{ANSWER}\n\n\nfor k in range(2):\n    v = k\n    print(v)"
         "\nwith torch.no_grad() as n:\n    print(n, [v for v in range(2)])"],
        [f"{ANSWER}\n\n\nfor k in range(2):\n    v = k\n    print(v)"
         "\nwith torch.no_grad() as n:\n    print(n, [v for v in range(2)])"],
    ),
    "a table filled in another cell": (
        ["memo = {}", "memo['calls'] = 0", PLAIN_CHAIN, CALLS_MEMO],
        ["memo = {}", "memo['calls'] = 0", PLAIN_CHAIN, CALLS_MEMO],
    ),
    "a number made step by step": (
        ["one = 2", "one -= 1", "one = float(one)", ANSWER.replace("(1 - x)", "(one - x)")],
        ["one = 2", "one -= 1", "one = float(one)", ANSWER.replace("(1 - x)", "(one - x)")],
    ),
    "a demonstration in the same cell": (
        ["points = torch.zeros(2)", f"{ANSWER}\n\n\nprint(sigmoid_chain_grad(points, 1))", HEAVY],
        ["points = torch.zeros(2)", f"{ANSWER}\n\n\nprint(sigmoid_chain_grad(points, 1))"],
    ),
    "a name bound again after its use": (
        ["points = torch.zeros(2)", f"{ANSWER}\n\n\nprint(points)", "points = None\n" + HEAVY],
        ["points = torch.zeros(2)", f"{ANSWER}\n\n\nprint(points)"],
    ),
    "locals named like scratch": (
        ["x = HEAVY()\nslope = x", "_ = [depth for depth in range(3)]", ANSWER],
        [ANSWER],
    ),
    "two statements on a line": (
        ["a = 1; one = a", "b = 2; \\\nc = 3", ANSWER.replace("1 -", "one -")],
        ["a = 1; one = a", ANSWER.replace("1 -", "one -")],
    ),
    "statements joined by a backslash": (
        ["a = 1; \\\none = a", ANSWER.replace("1 -", "one -")],
        ["a = 1; \\\none = a", ANSWER.replace("1 -", "one -")],
    ),
    "a cell that raises": (
        ["1 / 0\nunused = 1", "unit = 1.0\nraise SystemError", ANSWER.replace("1 -", "unit -")],
        ["unit = 1.0\nraise SystemError", ANSWER.replace("1 -", "unit -")],
    ),
    "a warning on the way": ([HELPER, WITH_HELPER + '\n\n\nPATTERN = "\\d"'],) * 2,
    "a name that is read before it is set": (
        ["points = torch.zeros(2)", f"points = points + 1\n{ANSWER}"],
    ) * 2,
    "a name that is set on one branch only": (
        ["points = torch.zeros(2)", f"if not torch:\n    points = 1\nprint(points)\n{ANSWER}"],
    ) * 2,
    "a name that a comprehension reads": (
        ["p = 1", f"[p for _ in range(2)]\n{ANSWER}", "p = 2\n" + HEAVY],
        ["p = 1", f"[p for _ in range(2)]\n{ANSWER}"],
    ),
    "an object filled in another cell": (
        ["from types import SimpleNamespace", "memo = SimpleNamespace()", "memo.one = 1",
         ANSWER.replace("1 -", "memo.one -")],
    ) * 2,
    "magics": (
        ["%matplotlib inline\nimport time", f"!pip install numpy\n{ANSWER}\n%timeit 1 + 1\nx?"],
        [f"\n{ANSWER}\n\n"],
    ),
    "a magic in a block and over two lines": (
        [f"if True:\n    %time x = 1\n!pip install \\\n    numpy\nls = !ls\n{ANSWER}"],
        [f"if True:\n    pass\n\n    pass\n\n{ANSWER}"],
    ),
    "a remainder is no magic": (
        [f"seven = (17\n    %10)\n{ANSWER}\n%who"],
        [f"seven = (17\n    %10)\n{ANSWER}\n"],
    ),
    "cell magics": (
        [f"%%time\n{ANSWER}", "%%bash\nrm -r x", "%%html\n<b>def sigmoid_chain_grad</b>"],
        [f"\n{ANSWER}"],
    ),
    "a form": ([f"# @title Answer {{ run: 'auto' }}\n{ANSWER}"],) * 2,
    "windows line ends": ([ANSWER.replace("\n", "\r\n")], [ANSWER]),
    "old mac line ends": ([ANSWER.replace("\n", "\r")], [ANSWER]),
    "a byte order mark": (["\ufeff" + ANSWER], [ANSWER]),
    "all of the cell indented": (["    " + ANSWER.replace("\n", "\n    ")], [ANSWER]),
    "split in two": (
        [ANSWER.rpartition("\n")[0], ANSWER.rpartition("\n")[2]],
        [ANSWER],
    ),
    "split after the first line": (
        [ANSWER.partition("\n")[0], ANSWER.partition("\n")[2]],
        [ANSWER],
    ),
    "split in four": (
        [*ANSWER.split("\n")[:3], "\n".join(ANSWER.split("\n")[3:])],
        [ANSWER],
    ),
    "split at the decorator": (["@torch.no_grad()", ANSWER], [f"@torch.no_grad()\n{ANSWER}"]),
}  # fmt: skip


@pytest.mark.parametrize("case", NEEDED)
def test_the_cells_that_an_exercise_needs(tmp_path, case):
    cells, needed = NEEDED[case]
    submission = handed_in(tmp_path, notebook(*cells))
    handed = submission.answers[NAME]
    assert (handed.status, list(handed.cells)) == ("attempted", needed)
    assert outcome(handed) == "correct"
    others = {name: one.status for name, one in submission.answers.items() if name != NAME}
    assert set(others.values()) == {"not attempted"}


def test_a_wrong_answer_is_not_correct(tmp_path):
    handed = handed_in(tmp_path, notebook(ANSWER, WRONG)).answers[NAME]
    assert handed.cells == (ANSWER, WRONG)
    assert outcome(handed) == "wrong"


def test_all_answers_in_one_cell(tmp_path):
    both = f"{ANSWER}\n\n\ndef norm_per_layer(norms):\n    return 1.0"
    submission = handed_in(tmp_path, notebook(both))
    assert submission.answers[NAME].cells == (both,)
    assert submission.answers["norm_per_layer"].cells == (both,)
    assert submission.answers["layers_until"].status == "not attempted"


def test_cells_in_any_order_and_without_the_rest(tmp_path):
    cells = [code(WITH_HELPER), {"cell_type": "markdown", "source": "I moved this"}, code(HELPER)]
    submission = handed_in(tmp_path, {"cells": cells})
    assert submission.answers[NAME].cells == (WITH_HELPER, HELPER)
    assert outcome(submission.answers[NAME]) == "correct"
    assert submission.answers["layers_until"].status == "missing"
    assert submission.notes == ()


def test_a_setup_cell_with_one_more_import(tmp_path):
    setup = THEORY.given[0].source.replace("import math", "import cmath\nimport math")
    content = notebook(ANSWER.replace("slope *", "abs(cmath.exp(0)) * slope *"))
    for cell in content["cells"]:
        if "".join(cell["source"]) == THEORY.given[0].source:
            content["cells"][content["cells"].index(cell)] = code(setup)
    handed = handed_in(tmp_path, content).answers[NAME]
    assert handed.cells[0] == setup
    assert len(handed.cells) == 2
    assert outcome(handed) == "correct"


# Given cells: two that need only the setup, one that needs the first, and one that needs that.
HALF = "half = 0.5**10"
PICTURES = "pictures, digits = data.digits().batch(128, seed)"
FIRST_OF = "def first_of(name):\n    return pictures[0]"
PREDICTED = 'predicted = {name: first_of(name) for name in ("tanh", "relu")}'


@pytest.fixture(scope="module")
def with_given(tmp_path_factory):
    """The published lesson with these four cells behind its parameters, as it is read."""
    published = notebook(top=(PICTURES, HALF, FIRST_OF, PREDICTED))
    path = tmp_path_factory.mktemp("published") / "01_theory.ipynb"
    published["cells"].append(code(STUB, metadata={"tags": ["exercise"]}))
    path.write_text(json.dumps(published))
    return read_lesson(path)


def test_what_the_lesson_defines_comes_from_the_instructor(tmp_path, with_given):
    answer = ANSWER.replace("ones_like(x)", "ones_like(x) * half * 2**10")
    expected = (HALF, answer)
    for given_cells in ([HALF], []):  # as published, and deleted
        content = notebook(answer, top=given_cells)
        handed = handed_in(tmp_path, content, lesson=with_given).answers[NAME]
        assert handed.cells == expected
        assert outcome(handed) == "correct"
    # The student's own definition takes its place.
    own = "half = 0.5"
    content = notebook(own, answer, top=[HALF])
    assert handed_in(tmp_path, content, lesson=with_given).answers[NAME].cells == (own, answer)


def test_a_given_cell_that_was_lost_runs_in_its_place(tmp_path, with_given):
    answer = ANSWER + "\n\n\nprint(first_of)"
    edited = PICTURES.replace("batch(128, seed)", "batch(64, seed)")
    content = notebook(answer, top=[edited, HALF])  # and no FIRST_OF
    handed = handed_in(tmp_path, content, lesson=with_given).answers[NAME]
    assert handed.cells == (edited, FIRST_OF, answer)


def test_given_cells_that_given_cells_need_run_in_order(tmp_path, with_given):
    answer = ANSWER + "\n\n\nprint(len(predicted))"
    content = notebook(answer, top=[PICTURES, HALF, FIRST_OF, PREDICTED])
    cells = handed_in(tmp_path, content, lesson=with_given).answers[NAME].cells
    assert cells == (PICTURES, FIRST_OF, PREDICTED, answer)


MISSING = {
    "deleted": ([], "its cell was emptied or deleted"),
    "emptied": ([""], "its cell was emptied or deleted"),
    "only comments": (["# later"], "its cell was emptied or deleted"),
    "renamed": (
        [ANSWER.replace(NAME, "sigmoid_chain_gradient")],
        "did you rename it? there is sigmoid_chain_gradient",
    ),
    "quite another name": (["def f(x):\n    return x"], "its cell was emptied or deleted"),
    "local to another": (
        [f"def outer():\n    {NAME} = 1\n    return {NAME}"],
        "its cell was emptied or deleted",
    ),
    "in another language": ([f"%%javascript\n{ANSWER}"], "its cell was emptied or deleted"),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_missing_function_is_named(tmp_path, case):
    cells, why = MISSING[case]
    handed = handed_in(tmp_path, notebook(*cells)).answers[NAME]
    assert (handed.status, handed.cells) == ("missing", ())
    assert handed.reason == f"no cell defines sigmoid_chain_grad(x, depth); {why}"


def test_an_answer_in_a_cell_that_is_not_code(tmp_path):
    content = notebook()
    content["cells"].append({"cell_type": "markdown", "metadata": {}, "source": ANSWER})
    handed = handed_in(tmp_path, content).answers[NAME]
    assert handed.status == "missing"
    assert handed.reason.endswith("; the cell that does is not a code cell; turn it into one")


def test_a_renamed_answer_beside_the_stub(tmp_path):
    handed = handed_in(tmp_path, notebook(STUB, ANSWER.replace(NAME, f"my_{NAME}"))).answers[NAME]
    assert handed.status == "not attempted"
    assert handed.reason.endswith(f"did you rename it? there is my_{NAME}")


@pytest.mark.parametrize("body", ["pass", "...", '"""Later."""', "raise NotImplementedError"])
def test_a_body_that_does_nothing_is_an_attempt(tmp_path, body):
    source = f"def sigmoid_chain_grad(x, depth):\n    {body}"
    handed = handed_in(tmp_path, notebook(source)).answers[NAME]
    assert (handed.status, handed.cells) == ("attempted", (source,))
    assert outcome(handed) in ("wrong", "not attempted")


@pytest.mark.parametrize(
    "source",
    [
        ANSWER.replace("depth):\n    slope", "depth)\n    slope"),
        ANSWER.replace("return slope", "return (slope"),
        "sigmoid_chain_grad = lambda x, depth: (",
        "async def sigmoid_chain_grad(x, depth):\nreturn",
        "df sigmoid_chain_grad(x, depth):\n    return x",
        "def (x, depth):\n    return x",  # told by its place
        ANSWER + "\n\0",
        ANSWER + "\nx = " + "(" * 5000,
    ],
)
def test_a_cell_that_is_not_python_is_handed_on_where_it_was_to_answer(tmp_path, source):
    submission = handed_in(tmp_path, notebook(source))
    assert submission.answers[NAME].status == "attempted"
    assert submission.answers[NAME].cells == (source,)
    assert submission.notes == ()
    with pytest.raises((SyntaxError, ValueError)):
        compile(source, "cell", "exec")


def test_a_broken_cell_is_known_by_its_tag(tmp_path):
    source = "df sigmoid_chain_grad(x, depth):\n    return x"
    cells = [code(source, metadata={"tags": ["exercise"]}), code("x = = 1")]
    submission = handed_in(tmp_path, {"cells": cells})
    assert submission.answers[NAME].cells == (source,)
    assert submission.notes == ("Left out, not readable as Python: code cell 2.",)


def test_broken_scratch_beside_the_stub_is_no_attempt(tmp_path):
    submission = handed_in(tmp_path, notebook(STUB, "print(sigmoid_chain_grad(1, 2)"))
    assert submission.answers[NAME].status == "not attempted"
    assert "not readable as Python" in submission.notes[0]


def test_a_cell_that_was_split_is_told(tmp_path):
    lines = ANSWER.split("\n")
    submission = handed_in(tmp_path, notebook("\n".join(lines[:4]), "\n".join(lines[4:])))
    assert len(submission.notes) == 1
    assert submission.notes[0].endswith("are Python only together and were joined.")


def test_a_split_stub_is_not_attempted(tmp_path):
    first, _, rest = STUB.rpartition("\n")
    submission = handed_in(tmp_path, notebook(first, rest))
    assert submission.answers[NAME].status == "not attempted"


def test_given_cells_are_never_joined_to_the_students(tmp_path):
    submission = handed_in(tmp_path, {"cells": [code(STUB), code("    return 3")]})
    assert submission.notes == ("Left out, not readable as Python: code cell 2.",)
    assert submission.answers[NAME].status == "not attempted"


def test_a_file_of_something_else_is_noticed(tmp_path):
    submission = handed_in(tmp_path, {"cells": [code("x = 1")]})
    assert submission.notes == (
        "Nothing in this notebook is from 01_theory: is it the right file?",
    )
    assert {one.status for one in submission.answers.values()} == {"missing"}


# ---- Formats -------------------------------------------------------------------------


def stripped(content):
    return {
        "cells": [{"cell_type": c["cell_type"], "source": c["source"]} for c in content["cells"]]
    }


def as_text(content):
    return {
        **content,
        "cells": [{**c, "source": "".join(c["source"])} for c in content["cells"]],
    }


def from_colab(content):
    cells = [{**c, "metadata": {"id": "Zx3"}, "source": c["source"]} for c in content["cells"]]
    for cell in cells:
        cell.pop("id", None)
    metadata = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}
    return {"nbformat": 4, "nbformat_minor": 0, "metadata": metadata, "cells": cells}


def from_vscode(content):
    cells = [
        {**c, "metadata": {**c["metadata"], "vscode": {"languageId": "python"}}}
        for c in content["cells"]
    ]
    return {**content, "cells": cells, "metadata": {}}


def as_format_3(content):
    cells = [
        {"cell_type": "code", "input": c["source"], "language": "python", "outputs": []}
        if c["cell_type"] == "code"
        else {"cell_type": "markdown", "source": c["source"]}
        for c in content["cells"]
    ]
    sheets = [{"cells": cells[:9]}, {"cells": cells[9:], "metadata": {}}]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": sheets}


def with_nonsense(content):
    junk = [None, 3, "text", [], {}, {"cell_type": 7, "source": {"a": 1}, "metadata": []}]
    odd = [
        code([1, None, "x = 1"]),
        code(None),
        code("y = 1", metadata={"tags": "exercise"}, id=[]),
    ]
    return {**content, "cells": [*junk, *content["cells"], *odd], "extra": {"a": [1]}}


def with_ten_megabytes(content):
    picture = {"output_type": "display_data", "data": {"image/png": "iVBOR" * 2_100_000}}
    cells = [dict(cell) for cell in content["cells"]]
    next(cell for cell in cells if cell["cell_type"] == "code")["outputs"] = [picture]
    return {**content, "cells": cells}


@pytest.mark.parametrize(
    "change",
    [
        stripped,
        as_text,
        from_colab,
        from_vscode,
        as_format_3,
        with_nonsense,
        with_ten_megabytes,
    ],
)
def test_notebooks_of_other_programs(tmp_path, change):
    submission = handed_in(tmp_path, change(notebook(HELPER, WITH_HELPER)))
    assert submission.trouble == ""
    statuses = [handed.status for handed in submission.answers.values()]
    assert statuses == ["not attempted", "attempted", "not attempted", "not attempted"]
    assert submission.answers[NAME].cells == (HELPER, WITH_HELPER)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.replace(b"\\n", b"\\r\\n"),
        lambda text: text.replace(b"\\n", b"  \\n\\n"),
    ],
    ids=["bom", "crlf", "utf-16", "crlf in the cells", "blank lines and spaces"],
)
def test_other_bytes_of_the_same_notebook(tmp_path, change):
    content = change(json.dumps(as_text(notebook(STUB)), indent=1).encode())
    submission = handed_in(tmp_path, content)
    assert submission.trouble == ""
    assert {handed.status for handed in submission.answers.values()} == {"not attempted"}


def test_bytes_are_hashed_and_the_file_is_named(tmp_path):
    import hashlib

    content = json.dumps(notebook(ANSWER)).encode()
    submission = handed_in(tmp_path, content)
    assert submission.file == "ada/01_theory.ipynb"
    assert submission.sha256 == hashlib.sha256(content).hexdigest()
    assert handed_in(tmp_path, b"junk").sha256 == hashlib.sha256(b"junk").hexdigest()


def test_halves_of_characters_can_be_written_on(tmp_path):
    source = ANSWER + '\n# \ud800 and \ud83d\ude00 "'
    cells = handed_in(tmp_path, notebook(source)).answers[NAME].cells
    assert cells == (ANSWER + '\n# \ufffd and \N{GRINNING FACE} "',)


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "this file is empty"),
        (b" \n", "this file is empty"),
        (b"hello", "this file is not a notebook (it is not JSON)"),
        (b'{"cells": [', "this file is not a notebook (it is not JSON)"),
        (b"[" * 10**6, "this file is not a notebook (it is not JSON)"),
        (b'{"cells": ' * 10**5, "this file is not a notebook (it is not JSON)"),
        (b'{"cells": [' + b"9" * 10**6 + b"]}", "this file is not a notebook (it is not JSON)"),
        ("é".encode("latin-1"), "this file is not a notebook (it is not UTF-8)"),
        (b"[]", "this file is not a notebook (it has no cells)"),
        (b"null", "this file is not a notebook (it has no cells)"),
        (b"{}", "this file is not a notebook (it has no cells)"),
        (b'{"cells": {}}', "this file is not a notebook (it has no cells)"),
        (b'{"worksheets": [1, {"cells": 2}]}', "this file is not a notebook (it has no cells)"),
        (
            b'{"cells": [' + b"[]," * 10**6 + b"0]}",
            "this file holds too much; clear its outputs and hand it in again",
        ),
        (b'{"cells": [' + b"0," * 2000 + b"0]}", "this notebook has more than 2000 cells"),
    ],
)
def test_what_is_no_notebook_is_told(tmp_path, content, trouble):
    submission = handed_in(tmp_path, content)
    assert submission.trouble == trouble
    assert (submission.answers, submission.notes) == ({}, ())


def test_no_cells_are_all_missing(tmp_path):
    submission = handed_in(tmp_path, {"cells": []})
    assert submission.trouble == ""
    assert {handed.status for handed in submission.answers.values()} == {"missing"}


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "ada" / "01_theory.ipynb"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    submission = read(Found("ada", "01_theory", path), THEORY, tmp_path)
    assert submission.trouble.startswith("this file is larger than 64 MB; ")
    assert submission.sha256 == ""


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def forbidden(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    submission = handed_in(tmp_path, notebook(ANSWER))
    assert submission.trouble == "this file cannot be read: Permission denied"


def test_a_file_that_is_gone(tmp_path):
    found = Found("ada", "01_theory", tmp_path / "ada" / "01_theory.ipynb")
    assert "cannot be looked at" in read(found, THEORY, tmp_path).trouble


def test_nothing_handed_in_is_no_trouble(tmp_path):
    submission = read(Found("ada", "01_theory", notes=("A note.",)), THEORY, tmp_path)
    assert (submission.trouble, submission.file, submission.answers) == ("", "", {})
    assert submission.notes == ("A note.",)


# ---- Hostile cells -------------------------------------------------------------------

NASTY = {
    "parentheses": "(" * 10**5 + ")" * 10**5,
    "minus": "x = " + "-" * 19_000 + "1",
    "not": "x = " + "not " * 4_000 + "1",
    "attributes": "a" + ".b.c" * 4_000,
    "calls": "a" + "()" * 9_000,
    "sums": "1" + "+1" * 9_000,
    "powers": "1" + "**1" * 6_000,
    "digits": "x = " + "9" * 10**6,
    "some digits": "x = " + "9" * 19_000,
    "lambdas": "lambda: " * 2_000 + "1",
    "f-string": "x = f'" + "{a}" * 6_000 + "'",
    "f-strings within": "x = " + "f'{" * 100 + "1" + "}'" * 100,
    "blocks": "\n".join(" " * depth + "if 1:" for depth in range(90)) + "\n" + " " * 90 + "1",
    "elif": "if 1: 1\n" + "elif 1: 1\n" * 1_900,
    "functions": "\n".join(" " * n + "def f():" for n in range(90)) + "\n" + " " * 90 + "1",
    "statements": "x=1\n" * 4_900,
    "on one line": "x=1;" * 4_900,
    "decorators": "@a\n" * 6_000 + "def f(): 0",
    "comprehensions": "[" * 60 + "a" + " for a in b]" * 60,
    "nonlocal": "def f():\n nonlocal x",
    "late global": "x = 1\ndef f():\n x\n global x",
    "future": "x = 1\nfrom __future__ import annotations",
    "null": "x = '\0'",
    "half a character": "x = '\ud800'",
    "encoding": "# coding: utf-16\nx = 1",
    "huge": "x = 1  # " + "a" * 10**6,
    "no lines": "\n" * 10**6,
    "magics": "%x\n" * 5_000,
    "shell": "!" * 19_000,
    "blank before equals": " " * 19_000 + "(",
    "unpacking": "*" * 19_000 + "a",
    "pattern": "match x:\n case " + "[" * 150 + "]" * 150 + ": 0",
    "continued": "x = 1; \\\ny = 2",
}
READ_ALL = """
import sys
from pathlib import Path
from helpers.grading.collect import submissions
from helpers.grading.collect.lesson import lesson as read_lesson
from helpers.grading.collect.submissions import Found
lesson = read_lesson(Path(sys.argv[1]))
folder = Path(sys.argv[2])
for path in sorted(folder.iterdir()):
    read = submissions.read(Found(path.stem, lesson.name, path), lesson, folder)
    handed = read.answers["sigmoid_chain_grad"]
    assert len(handed.cells) == 1, (path.stem, handed)
    assert handed.cells[0].startswith("def sigmoid_chain_grad(x, depth):\\n    slope"), path.stem
    print(path.stem)
"""


@pytest.mark.slow
def test_no_source_stops_the_reader(tmp_path):
    for name, source in NASTY.items():
        content = {"cells": [code(ANSWER), code(source), code(f"{source}\nz = 1")]}
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(content))
    theory = next(path for path in RENDERED if path.stem == "01_theory")
    command = [sys.executable, "-W", "error", "-c", READ_ALL, str(theory), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.stderr == ""
    assert done.stdout.splitlines() == sorted(NASTY)


def test_an_endless_cell_is_not_handed_on(tmp_path):
    handed = handed_in(tmp_path, notebook(ANSWER + "\n#" + "a" * 20_000)).answers[NAME]
    assert handed.status == "missing"
    assert handed.reason.startswith("the cell that defines sigmoid_chain_grad has 20,")
    assert handed.reason.endswith(" characters; at most 20,000 are read")


def test_a_notebook_of_endless_code_is_read_to_a_limit(tmp_path):
    cells = [ANSWER, *(f"x{number} = 1  # {'a' * 15_000}" for number in range(20))]
    submission = handed_in(tmp_path, notebook(*cells))
    assert submission.answers[NAME].cells == (ANSWER,)
    assert submission.notes[-1].startswith("This notebook holds more code than is read")


PIECES = r"""
def sigmoid_chain_grad (x, depth) : return x = lambda %time !ls ? class A import * from torch
global ' \ ( ) é if for in @ async await f'{ 1 exercises.check [ ] del try except as with
"""
SPECIAL = [" ", "\n", "\n    ", '"""', "\0", "\ud800", "\r", "\ufeff"]


@given(
    st.lists(
        st.lists(st.sampled_from([*PIECES.split(), *SPECIAL]), max_size=25).map("".join), max_size=6
    )
)
def test_any_cells_can_be_read(tmp_path_factory, texts):
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    submission = handed_in(folder, {"cells": [code(text) for text in texts]})
    assert submission.trouble == ""
    for handed in submission.answers.values():
        assert (handed.status == "attempted") == bool(handed.cells)
        "".join(handed.cells).encode()


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["cells", "worksheets", "source", "input", "metadata", "tags"]),
        inner,
    ),
    max_leaves=30,
)  # fmt: skip


@given(ANY_JSON)
def test_any_json_can_be_read(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "json"
    folder.mkdir(exist_ok=True)
    submission = handed_in(folder, content)
    assert bool(submission.trouble) != bool(submission.answers)


# ---- Finding -------------------------------------------------------------------------


def lay(folder, *files, content=None):
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content or notebook(ANSWER)))


def listed(found, folder):
    """Return what was found, without notes."""
    return [
        (one.student, one.lesson, one.path and one.path.relative_to(folder).as_posix())
        for one in found
    ]


def test_notebooks_are_found_in_their_places(tmp_path):
    lay(tmp_path, "ben/01_theory.ipynb", "ada/hw/02_symptoms.ipynb", "ada/a/b/01_theory.ipynb")
    lay(tmp_path, "cy/.ipynb_checkpoints/01_theory.ipynb", "cy/.01_theory.ipynb", "cy/data.csv")
    lay(tmp_path, ".git/01_theory.ipynb", "__MACOSX/ada/01_theory.ipynb")
    found, remarks = find(tmp_path, LESSONS)
    assert listed(found, tmp_path) == [
        ("ada", "01_theory", "ada/a/b/01_theory.ipynb"),
        ("ada", "02_symptoms", "ada/hw/02_symptoms.ipynb"),
        ("ben", "01_theory", "ben/01_theory.ipynb"),
        ("ben", "02_symptoms", None),
        ("cy", "01_theory", None),
        ("cy", "02_symptoms", None),
    ]
    assert {(one.notes, one.trouble) for one in found} == {((), "")}
    assert remarks == ["cy: there is no notebook, only data.csv."]


def test_a_folder_of_nothing_expects_nothing(tmp_path):
    (tmp_path / "ada").mkdir()
    assert find(tmp_path, LESSONS) == ([], [])


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be listed .* one folder per student"):
        find(tmp_path / "submissions", LESSONS)


@pytest.mark.parametrize(
    "name",
    [
        "01_theory (1).ipynb",
        "01_theory-copy.ipynb",
        "Copy of 01_Theory.ipynb",
        "01 theory.ipynb",
        "01-theory-final.IPYNB",
        "01_theory.ipynb.txt",
        "theory final.ipynb",
        "Untitled.ipynb",
        "Untitled2.ipynb",
        "hw 02.ipynb",
        "new\nline.ipynb",
        "\x1b[31mred.ipynb",
        "a\udce9.ipynb",
    ],
)
def test_a_wrong_name_is_understood_and_told(tmp_path, name):
    lay(tmp_path, f"ada/{name}")
    (one,), remarks = find(tmp_path, LESSONS)
    assert (one.lesson, one.path.name, one.trouble) == ("01_theory", name, "")
    shown = name.replace("\n", "⟨U+000A⟩").replace("\x1b", "⟨U+001B⟩").replace("\udce9", "⟨U+DCE9⟩")
    assert one.notes == (f'"{shown}" was graded; the expected name is 01_theory.ipynb.',)
    assert remarks == []
    submission = read(one, THEORY, tmp_path)
    assert submission.file == f"ada/{shown}"
    assert submission.notes == one.notes
    assert submission.answers[NAME].cells == (ANSWER,)


def test_a_number_in_the_name_tells_where_the_content_does_not(tmp_path):
    lay(tmp_path, "ada/hw_01.ipynb", content={"cells": []})
    lay(tmp_path, "ben/hw_01_02.ipynb", "cy/hw_2001.ipynb", content={"cells": []})
    found, remarks = find(tmp_path, LESSONS)
    assert [one.path and one.path.name for one in found] == ["hw_01.ipynb", None, None]
    assert [remark.split(" is not graded")[0] for remark in remarks] == [
        '"hw_01_02.ipynb" of ben',
        '"hw_2001.ipynb" of cy',
    ]


def test_content_that_tells_no_lesson_from_another_is_not_followed(tmp_path):
    firsts = [lesson.given[0].source for lesson in LESSONS[:2]]
    lay(tmp_path, "ada/both.ipynb", content={"cells": [code(source) for source in firsts]})
    lay(tmp_path, "ben/shared.ipynb", content={"cells": [code("guess = None")]})
    lay(tmp_path, "cy/first.ipynb", content={"cells": [code(firsts[0])]})
    found, remarks = find(tmp_path, LESSONS)
    assert {(one.student, one.lesson) for one in found if one.path} == {("cy", LESSONS[0].name)}
    assert len(remarks) == 2


def test_the_exact_name_wins(tmp_path):
    lay(tmp_path, "ada/01_theory.ipynb", "ada/01_theory (1).ipynb", "ada/old/01_theory.ipynb")
    (one,), _ = find(tmp_path, LESSONS)
    assert one.path == tmp_path / "ada" / "01_theory.ipynb"
    assert one.notes == ("Also there, and not graded: 01_theory (1).ipynb, old/01_theory.ipynb.",)


@pytest.mark.parametrize(
    "files",
    [
        ("01_theory (1).ipynb", "01_theory (2).ipynb"),
        ("Untitled.ipynb", "theory.ipynb"),
        ("first/01_theory.ipynb", "second/01_theory.ipynb"),
    ],
)
def test_of_two_a_person_must_choose(tmp_path, files):
    lay(tmp_path, f"ada/{files[0]}")
    lay(tmp_path, f"ada/{files[1]}", content=notebook(WRONG))
    (one,), _ = find(tmp_path, LESSONS)
    assert one.path is None
    assert one.trouble == (
        f"{files[0]}, {files[1]} could each be this lesson; name the one to be graded "
        "01_theory.ipynb and put it right into the student's folder"
    )
    assert read(one, THEORY, tmp_path).trouble == one.trouble
    # Copies of one file are no choice.
    shutil.copy(tmp_path / "ada" / files[0], tmp_path / "ada" / files[1])
    (one,), _ = find(tmp_path, LESSONS)
    assert one.trouble == ""
    assert one.path == tmp_path / "ada" / files[0]


def test_a_name_weighs_more_than_content(tmp_path):
    lay(tmp_path, "ada/01_theory_final.ipynb", "ada/scratch.ipynb")
    (one,), _ = find(tmp_path, LESSONS)
    assert one.path.name == "01_theory_final.ipynb"
    assert one.notes[1] == "Also there, and not graded: scratch.ipynb."


def test_what_is_no_lesson_is_told_once(tmp_path):
    lay(tmp_path, "ada/notes.ipynb", "ben/notes.ipynb", content={"cells": [code("x = 1")]})
    lay(tmp_path, "cy/zip.ipynb")
    (tmp_path / "cy" / "zip.ipynb").write_bytes(b"PK")
    found, remarks = find(tmp_path, [THEORY])
    assert found == []
    why = "is not graded: it is none of the lessons looked for (01_theory)."
    assert remarks == [f'"notes.ipynb" of ada, ben {why}', f'"zip.ipynb" of cy {why}']


def test_what_lies_beside_the_folders_is_told(tmp_path):
    lay(tmp_path, "ada/01_theory.ipynb", "01_theory.ipynb", "all.zip")
    os.mkfifo(tmp_path / "pipe")
    _, remarks = find(tmp_path, LESSONS)
    assert [remark.split(";")[0] for remark in remarks] == [
        f'"{name}" is not graded: it is a {kind} beside the students\' folders'
        for name, kind in [("01_theory.ipynb", "file"), ("all.zip", "file"), ("pipe", "named pipe")]
    ]


def test_names_of_students_are_kept_exactly(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    names = ["Ada Lovelace", "ada lovelace", "Müller, Jörg", "=1+1", "-rf", "..\\evil", " x "]
    names += [composed, decomposed]
    for number, name in enumerate(names):
        lay(tmp_path, f"{name}/01_theory.ipynb", content=notebook(ANSWER, f"number = {number}"))
    found, remarks = find(tmp_path, LESSONS)
    assert [one.student for one in found] == sorted(names)
    assert remarks == []
    digests = {read(one, THEORY, tmp_path).sha256 for one in found}
    assert len(digests) == len(names)


@pytest.mark.parametrize("name", ["new\nline", "\x1b[31m", "a\udce9", "a\u2028b"])
def test_a_student_whose_name_no_list_can_hold_is_told(tmp_path, name):
    lay(tmp_path, f"{name}/01_theory.ipynb", "ada/01_theory.ipynb")
    found, (remark,) = find(tmp_path, LESSONS)
    assert [one.student for one in found] == ["ada"]
    assert remark.endswith("is not graded: no list can hold this name; rename it.")
    assert remark.isprintable()


def test_links_are_not_followed(tmp_path):
    folder = tmp_path / "submissions"
    lay(folder, "ada/01_theory.ipynb", "ben/notes.txt", "eve/deep/notes.txt")
    lay(tmp_path, "outside/01_theory.ipynb")
    (folder / "mallory").symlink_to(folder / "ada")
    (folder / "ben" / "01_theory.ipynb").symlink_to(folder / "ada" / "01_theory.ipynb")
    (folder / "eve" / "more").symlink_to(tmp_path / "outside")
    (folder / "eve" / "deep" / "01_theory.ipynb").symlink_to("/dev/zero")
    found, remarks = find(folder, LESSONS)
    ada, ben, eve, mallory = found
    assert ada.trouble == ""
    assert ada.path is not None
    assert {one.path for one in (ben, eve, mallory)} == {None}
    file = "is a symbolic link and was not opened; hand in the file itself"
    assert ben.trouble == f'"01_theory.ipynb" {file}'
    assert eve.trouble == f'"deep/01_theory.ipynb" {file}'
    assert eve.notes == ('"more" is a symbolic link and was not followed.',)
    assert mallory.trouble.startswith("the folder is a symbolic link and was not followed; ")
    assert remarks == [
        'eve: "more" is a symbolic link and was not followed.',
        f"mallory: {mallory.trouble}.",
    ]


def test_links_are_not_followed_by_the_reader_either(tmp_path):
    lay(tmp_path, "ada/01_theory.ipynb", "ada/hw/01_theory.ipynb")
    (tmp_path / "eve").mkdir()
    (tmp_path / "eve" / "01_theory.ipynb").symlink_to(tmp_path / "ada" / "01_theory.ipynb")
    (tmp_path / "eve" / "hw").symlink_to(tmp_path / "ada" / "hw")
    (tmp_path / "mallory").symlink_to(tmp_path / "ada")
    troubles = [
        read(Found("eve", "01_theory", tmp_path / file), THEORY, tmp_path).trouble
        for file in ("eve/01_theory.ipynb", "eve/hw/01_theory.ipynb", "mallory/01_theory.ipynb")
    ]
    assert troubles == [
        "this is a symbolic link and was not opened; hand in the file itself",
        'the folder "hw" is a symbolic link',
        'the folder "mallory" is a symbolic link',
    ]


def test_a_file_exchanged_for_a_link_after_the_look_is_not_followed(tmp_path, monkeypatch):
    lay(tmp_path, "ada/01_theory.ipynb")
    (tmp_path / "eve").mkdir()
    path = tmp_path / "eve" / "01_theory.ipynb"
    path.symlink_to(tmp_path / "ada" / "01_theory.ipynb")
    monkeypatch.setattr(notebook_file, "kind", lambda _place: "file")
    trouble = read(Found("eve", "01_theory", path), THEORY, tmp_path).trouble
    assert trouble.startswith("this file cannot be read: ")
    path.unlink()
    os.mkfifo(path)
    trouble = read(Found("eve", "01_theory", path), THEORY, tmp_path).trouble
    assert trouble == "this file was exchanged while it was read"


def test_pipes_sockets_and_folders_are_not_opened(tmp_path, monkeypatch):
    lay(tmp_path, "ada/01_theory.ipynb")
    for name in ("ben", "cy", "dan/01_theory.ipynb"):
        (tmp_path / name).mkdir(parents=True)
    os.mkfifo(tmp_path / "ben" / "01_theory.ipynb")
    monkeypatch.chdir(tmp_path / "cy")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("01_theory.ipynb")
        found, _ = find(tmp_path, LESSONS)
        troubles = [one.trouble for one in found]
        kinds = ["named pipe", "socket", "folder"]
        assert troubles == [
            "",
            *(
                f'"01_theory.ipynb" is a {kind} and was not opened; hand in the file itself'
                for kind in kinds
            ),
        ]
        for student, kind in zip(["ben", "cy", "dan"], kinds, strict=True):
            path = tmp_path / student / "01_theory.ipynb"
            trouble = read(Found(student, "01_theory", path), THEORY, tmp_path).trouble
            assert trouble == f"this is a {kind} and was not opened; hand in the file itself"


def test_a_pipe_of_a_wrong_name_is_not_opened(tmp_path):
    (tmp_path / "ada").mkdir()
    os.mkfifo(tmp_path / "ada" / "theory.ipynb")
    found, (remark,) = find(tmp_path, LESSONS)
    assert found == []
    assert remark.startswith('"theory.ipynb" of ada is not graded')


def test_a_folder_that_cannot_be_listed_stops_nobody(tmp_path, monkeypatch):
    lay(tmp_path, "ada/01_theory.ipynb", "ben/01_theory.ipynb")
    scandir = os.scandir

    def guarded(path):
        if Path(path).name == "ben":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    (ada, ben), (remark,) = find(tmp_path, LESSONS)
    assert ada.trouble == ""
    assert ben.trouble == "the folder cannot be listed: Permission denied"
    assert remark == f"ben: {ben.trouble}."


def test_a_crowded_folder_is_not_searched(tmp_path):
    lay(tmp_path, "ada/01_theory.ipynb")
    for number in range(42):
        lay(tmp_path, f"ben/{number}.ipynb", content={"cells": []})
    (tmp_path / "cy").mkdir()
    for number in range(2001):
        (tmp_path / "cy" / f"{number}.txt").touch()
    found, remarks = find(tmp_path, LESSONS)
    assert [one.trouble[:20] for one in found] == [
        "",
        "the folder holds mor",
        "the folder holds mor",
    ]
    assert len(remarks) == 2


def test_what_is_too_deep_is_told(tmp_path):
    lay(tmp_path, "ada/a/b/c/01_theory.ipynb", "ben/01_theory.ipynb")
    (ada, _), remarks = find(tmp_path, LESSONS)
    assert ada.path is None
    assert ada.notes == ('The folder "a/b/c" is too deep and was not looked into.',)
    assert remarks == [f"ada: {ada.notes[0]}"]
