import ast
import io
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from contextlib import redirect_stdout

import classroom
import nbformat
import numpy as np
import pytest
from classroom import EXERCISE, HONEST, HOSTILE, ROOT
from classroom.tricks import FORGES
from classroom.writing import joined
from IPython.core.inputtransformer2 import TransformerManager

import helpers.warm.preload  # noqa: F401  (once, and not in each child)
from helpers import plain
from helpers.exercises import ALL
from helpers.exercises.marking import judge

LESSON = nbformat.read(ROOT / "notebooks" / "01_theory.ipynb", as_version=4)
GIVEN = {cell.source for cell in LESSON.cells}
SEEDS = range(1, 4)
# What is handed in without a notebook in which a source could be read.
WITHOUT_SOURCE = {
    *("hostile_source_is_a_number", "hostile_source_is_a_deep_list", "hostile_cells_are_text"),
    *("hostile_cells_are_odd", "hostile_deep_json", "hostile_deep_metadata"),
    *("hostile_a_long_number", "hostile_four_empty_gigabytes", "hostile_link_to_a_neighbour"),
    *("hostile_link_to_the_solution", "hostile_link_to_no_end", "hostile_link_to_itself"),
    *("hostile_pipe", "hostile_folder"),
}
# Sources that Python itself refuses, which is what they are about.
NOT_PYTHON = re.compile("deep_source|long_line|null_bytes|half_a_letter_in_the_source")


def name_of(case):
    return case.name


def earned(points, exercise):
    """Return points as a dict, part by part where a case says so."""
    if isinstance(points, dict):
        return points
    parts = {part.name: part.points for part in ALL[exercise].parts}
    assert points in (0, sum(parts.values())), "points for a part of an exercise need its name"
    return parts if points else dict.fromkeys(parts, 0)


# A careful human, who opens what was handed in and runs it from top to bottom


class Stopped(BaseException):
    """The human pressed the stop button."""


class Shell:
    """As much of IPython as the class's notebooks use."""

    def __init__(self, space):
        self.space = space

    def run_cell_magic(self, name, line, body):
        exec(body, self.space)

    def __getattr__(self, name):
        return lambda *arguments: None


def opened(folder):
    """Return the notebook of a student, None where there is none or it cannot be read."""
    found = [path for path in sorted(folder.rglob("*.ipynb")) if path.parent.name[0] != "."]
    if not found:
        return None
    return nbformat.reads(found[0].read_bytes().decode("utf-8-sig"), as_version=4)


def own_cells(notebook):
    """Return the code that the student wrote or changed."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [source for source in code if source.replace("\r\n", "\n") not in GIVEN]


def patiently(function, *arguments):
    """Run something, and stop it when it computes for long."""

    def stop(*_):
        raise Stopped

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, 1.5)
    try:
        return function(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def run(notebook):
    """Run a student's cells after the lesson's own setup; return the names and the failures."""
    space = {"__name__": "__main__", "display": print}
    space["get_ipython"] = lambda: Shell(space)
    failures = []
    tagged = [c for c in LESSON.cells if {"setup", "parameters"} & set(c.metadata.get("tags", []))]
    for source in [*(cell.source for cell in tagged), *own_cells(notebook)]:
        try:
            code = TransformerManager().transform_cell(source)
            patiently(lambda code=code: exec(compile(code, "<cell>", "exec"), space))
        except (Exception, Stopped) as failure:
            failures.append(failure)
    return space, failures


def graded_by_hand(folder, exercise=EXERCISE):
    """Return the status and, for each part, the least points over several draws of inputs."""
    nothing = dict.fromkeys(earned(0, exercise), 0)
    try:
        notebook = opened(folder)
    except (ValueError, AttributeError, nbformat.reader.NotJSONError):
        return "unreadable", nothing
    if notebook is None:
        return "not handed in", nothing
    space, failures = run(notebook)
    function = space.get(exercise)
    if function is None:
        stub = any(f"def {exercise}(" in cell.source for cell in notebook.cells)
        missing = "not attempted" if stub else "missing"
        return ("error" if failures else missing), nothing
    stopped = []

    def asked(*arguments):
        if stopped:
            raise RuntimeError("stopped before")
        try:
            return patiently(function, *arguments)
        except Stopped:
            stopped.append(True)
            raise RuntimeError("stopped") from None

    status, points = "", {}
    for seed in SEEDS:
        stopped.clear()
        verdict = judge(ALL[exercise], asked, seed)
        status = "timed out" if stopped else verdict.status
        for part in verdict.parts:
            points[part.name] = min(points.get(part.name, part.points), part.points)
    return status, points


def in_a_child(function, *arguments):
    """Run in a process of its own, as students change settings that others rely on."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()

    def work():
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            there.send(function(*arguments))

    process = fork.Process(target=work)
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join()
        here.close()


@pytest.mark.parametrize("case", [*HONEST, *classroom.neighbours()], ids=name_of)
def test_an_honest_student_earns_what_a_human_gives(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classroom.write_class(tmp_path / "class", [case])
    status, points = in_a_child(graded_by_hand, tmp_path / "class" / case.name)
    assert status in case.statuses
    assert points == earned(case.points, EXERCISE)


def test_the_human_takes_a_wrong_answer_for_wrong(tmp_path):
    write = classroom.SLIPS[EXERCISE]["the output"][0]
    notebook = classroom.notebook(write, layers_until="def layers_until(f, t):\n    return 1")
    (tmp_path / "01_theory.ipynb").write_text(json.dumps(notebook))
    assert in_a_child(graded_by_hand, tmp_path)[0] == "wrong"
    assert in_a_child(graded_by_hand, tmp_path, "layers_until")[0] == "wrong"
    assert in_a_child(graded_by_hand, tmp_path, "norm_per_layer")[0] == "not attempted"


# The class as a whole


def test_each_student_hands_in_something_under_a_name_of_their_own(tmp_path):
    cases = [*HONEST, *HOSTILE, *classroom.neighbours()]
    classroom.write_class(tmp_path, cases)
    assert {folder.name for folder in tmp_path.iterdir()} == {case.name for case in cases}
    left = {folder.name for folder in tmp_path.iterdir() if not any(folder.iterdir())}
    assert left == {"honest_nothing"}
    names = sorted(case.name for case in cases)
    assert (names[0], names[-1]) == ("a_neighbour", "z_neighbour")


def test_a_name_is_given_once(tmp_path):
    with pytest.raises(FileExistsError):
        classroom.write_class(tmp_path, [HONEST[0], HONEST[0]])


def test_kinds_points_and_statuses_fit_together():
    for case in (*HONEST, *HOSTILE):
        assert case.name.startswith(f"{case.kind}_")
        assert case.statuses
        full = earned(case.points, EXERCISE) == earned(5, EXERCISE)
        assert full == (case.statuses == {"correct"}), case.name


def test_other_exercises_stay_stubs():
    book = classroom.notebook("answer = 5")
    changed = [
        (old.source, "".join(new["source"]))
        for old, new in zip(LESSON.cells, book["cells"], strict=True)
        if old.source != "".join(new["source"])
    ]
    assert len(changed) == 1
    assert f"def {EXERCISE}(" in changed[0][0]
    assert changed[0][1] == "answer = 5"
    nbformat.validate(nbformat.from_dict(book))


def own_sources(folder):
    """Return the sources of the exercise's cells, None where no notebook can be read."""
    path = folder / "01_theory.ipynb"
    if not path.is_file() or path.is_symlink() or path.stat().st_size > 2**24:
        return None
    try:
        book = json.loads(path.read_text())
        sources = [s for c in book["cells"] if type(s := "".join(c["source"])) is str]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return [source for source in sources if f"def {EXERCISE}(" in source]


WITH_SOURCE = [case for case in HOSTILE if case.name not in WITHOUT_SOURCE]
ODD_FILES = [case for case in HOSTILE if case.name in WITHOUT_SOURCE]


@pytest.mark.parametrize("case", WITH_SOURCE, ids=name_of)
def test_hostile_code_is_python_where_it_should_be(case, tmp_path):
    case.write(tmp_path)
    sources = own_sources(tmp_path)
    assert sources
    assert not re.search("@[A-Z]+@", sources[-1])
    if NOT_PYTHON.search(case.name):
        with pytest.raises((SyntaxError, ValueError, MemoryError, RecursionError)):
            ast.parse(sources[-1])
    else:
        ast.parse(TransformerManager().transform_cell(sources[-1]))


@pytest.mark.parametrize("case", ODD_FILES, ids=name_of)
def test_some_hand_in_what_holds_no_source(case, tmp_path):
    case.write(tmp_path)
    assert own_sources(tmp_path) is None


def test_no_odd_file_is_named_that_nobody_hands_in():
    assert {case.name for case in ODD_FILES} == WITHOUT_SOURCE


def test_a_class_for_the_clock(tmp_path):
    cases = classroom.class_of(60, 0.05, seed=3)
    assert [case.name for case in cases] == [f"student_{n:03d}" for n in range(1, 61)]
    assert sum(case.kind == "hostile" for case in cases) == 3
    assert {case.points for case in cases if type(case.points) is int} == {0, 5}
    again = classroom.class_of(60, 0.05, seed=3)
    assert [case.points for case in again] == [case.points for case in cases]
    other = classroom.class_of(60, 0.05, seed=4)
    assert [case.points for case in other] != [case.points for case in cases]
    honest = [case for case in cases if case.kind == "honest"]
    assert {name for case in honest for name in case.others} == set(classroom.RIGHT) - {EXERCISE}
    classroom.write_class(tmp_path, honest[:15])
    for case in honest[:15]:
        for exercise in classroom.RIGHT:
            points = case.points if exercise == EXERCISE else case.others.get(exercise, 0)
            _, found = in_a_child(graded_by_hand, tmp_path / case.name, exercise)
            assert found == earned(points, exercise)


@pytest.mark.parametrize("exercise", classroom.RIGHT)
def test_answers_to_all_exercises_earn_what_is_said(exercise, tmp_path):
    answers = [
        (source, sum(earned(points, exercise).values()))
        for source, points in classroom.SLIPS[exercise].values()
    ]
    right = [(source, ALL[exercise].rubric.points) for source in classroom.RIGHT[exercise].values()]
    for source, points in [*right, *answers]:
        answer = {exercise: source} if exercise != EXERCISE else {}
        book = classroom.notebook(source if exercise == EXERCISE else "", **answer)
        (tmp_path / "01_theory.ipynb").write_text(json.dumps(book))
        _, found = in_a_child(graded_by_hand, tmp_path, exercise)
        assert sum(found.values()) == points, source


# Every kind of submission that the design names is there, under these names.
ITEMS = """
honest: right warning right_complex_step right_float64 right_by_slopes slip nothing empty_file
honest: not_a_notebook renamed_copy another_file_name syntax_error cell_deleted one_argument
honest: exception not_a_number right_shape_wrong_values metadata_lost duplicated reordered version_3
honest: carriage_returns byte_order_mark ten_megabytes extra_imports helper plots threads
honest: data_loader
hostile: cpu_loop_in_the_call cpu_loop_that_nothing_interrupts exit_in exit_at_once null_pointer
hostile: memory process_bomb disk prints_a_gigabyte open_files patched_comparisons stripped_asserts
hostile: answer_lying_tensor answer_pretender answers_twice queued_in_advance
hostile: frame_of_four_gigabytes frame_deep_json frame_overflowing_shape frame_objects
hostile: answers_from_a_child steals
hostile: reads_the_environment reads_open_files reads_other_memory reads_known_files walks
hostile: looks_at_the_class calls_out calls_a_unix_socket kills_its_parent kills_everybody
hostile: writes_into_packages opens_the_marks note_1_writer note_2_reader asks_the_kernel_for_keys
hostile: asks_for_rings cpu_loop_in_children survives link_to_a_neighbour
"""
WANTED = [
    f"{kind}_{item}"
    for kind, items in (line.split(": ") for line in ITEMS.strip().splitlines())
    for item in items.split()
]


@pytest.mark.parametrize("item", WANTED)
def test_the_class_holds_every_kind(item):
    assert any(case.name.startswith(item) for case in (*HONEST, *HOSTILE))


# What attacks write to the judge, and what they leave behind


def forging():
    space = {}
    exec(joined(FORGES), space)
    return space


def test_forgeries_speak_the_format_of_the_judge():
    forged = forging()["reply"](3, "ab", {"array": "float32", "shape": [2]}, bytes(8))
    length, body = forged[:4], forged[4:]
    assert int.from_bytes(length) == len(body)
    read = plain.decoded(body)
    np.testing.assert_array_equal(read.pop("value"), np.zeros(2, np.float32))
    assert read == {"question": 3, "nonce": "ab", "failure": None, "attempted": True}


@pytest.fixture
def names_of_our_own(monkeypatch):
    """Names that no other test, which may run at the same time, looks for."""
    monkeypatch.setattr(classroom.traces, "EVIDENCE", "vg_pretence_5d1")
    monkeypatch.setattr(classroom.traces, "LINE", "vg_pretence_line")
    monkeypatch.setattr(classroom.traces, "PORT", classroom.traces.PORT + 1)


def test_what_is_left_behind_is_found(tmp_path, names_of_our_own):
    assert not [text for text in classroom.evidence(tmp_path) if str(tmp_path) in text]
    before = len(classroom.evidence(tmp_path))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / f"{classroom.traces.EVIDENCE}_note").touch()
    assert len(classroom.evidence(tmp_path)) == before + 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.bind(f"\0{classroom.traces.EVIDENCE}")
        assert "an abstract socket" in classroom.evidence()
    waits = [sys.executable, "-c", "print('here', flush=True); input()", classroom.traces.EVIDENCE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(waits, **pipes) as process:
        assert process.stdout.readline() == b"here\n"
        assert f"process {process.pid}" in classroom.evidence()
        process.stdin.write(b"\n")


def test_a_call_from_outside_the_walls_is_heard(tmp_path, names_of_our_own):
    with classroom.listeners(tmp_path) as heard:
        assert not heard
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", classroom.traces.PORT)),
            (socket.AF_UNIX, f"\0{classroom.traces.LINE}"),
            (socket.AF_UNIX, str(tmp_path / f"{classroom.traces.LINE}.sock")),
        ):
            with socket.socket(family, socket.SOCK_STREAM) as line:
                line.connect(address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.sendto(b"hello", ("127.0.0.1", classroom.traces.PORT))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.connect(f"\0{classroom.traces.LINE}")
            while len(heard) < 5:
                os.sched_yield()
    assert set(heard) == {"tcp", "udp", "abstract", "path"}
    assert not (tmp_path / f"{classroom.traces.LINE}.sock").exists()
