"""Open exercises: what must hold is told one by one, and no mark depends on it."""

import ast
import inspect
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch import nn

import helpers
from helpers import data, exercises, lessons, models, probe, progress, theory, train
from helpers.exercises.open_exercises import Condition, OpenExercise, judge
from helpers.grading.collect.lesson import lesson as read_lesson
from helpers.grading.collect.submissions import Found, read
from helpers.grading.grade import GradingJob, grade
from helpers.grading.hand_back import release
from helpers.grading.sandbox import tiers
from helpers.lessons import overview
from helpers.lessons.sources import ROOT

HELPERS = Path(helpers.__file__).parent
SHEETS = sorted((HELPERS / "exercises").glob("open_[0-9][0-9].py"))


@pytest.fixture(autouse=True)
def _no_tries_before():
    exercises._TRIES.clear()
    yield
    exercises._TRIES.clear()
    progress.begin("")


# ---- The machinery, with an exercise of its own --------------------------------------


def own_mean(numbers):
    """A mean of one's own: any number between the least and the largest."""
    return sum(numbers) / len(numbers)


def between(answer):
    found = answer([1.0, 2.0, 6.0])
    return 1.0 <= found <= 6.0, f"of 1, 2 and 6 it is {found:g}"


MEAN = OpenExercise(
    name="own_mean",
    number="3.7",
    title="A mean of your own",
    signature="own_mean(numbers)",
    conditions=(
        Condition(
            "It returns a number.",
            lambda answer: isinstance(answer([2.0]), float),
            "A mean of numbers is a number.",
            essential=True,
        ),
        Condition("It lies between the least and the largest.", between, "Weigh, and do not add."),
        Condition(
            "The order does not matter.",
            lambda answer: (answer([1.0, 5.0]) == answer([5.0, 1.0]), ""),
            "Treat all alike.",
        ),
    ),
    reference=own_mean,
)


def answering(function):
    """Give a function the name that the exercise asks for."""
    function.__name__ = "own_mean"
    return function


def test_a_right_answer_holds_to_every_condition():
    verdict = judge(MEAN, answering(lambda numbers: max(numbers)))
    assert verdict.status == "done"
    assert str(verdict) == (
        "Exercise 3.7 · own_mean: done, 3 of 3 conditions hold.\n"
        "  ✓ It returns a number.\n"
        "  ✓ It lies between the least and the largest: of 1, 2 and 6 it is 6.\n"
        "  ✓ The order does not matter."
    )


def test_each_condition_is_judged_for_itself_with_its_hint():
    verdict = judge(MEAN, answering(lambda numbers: numbers[0] * 2))
    assert verdict.status == "not yet"
    assert verdict.message.splitlines() == [
        "Exercise 3.7 · own_mean: not yet, 2 of 3 conditions hold.",
        "  ✓ It returns a number.",
        "  ✓ It lies between the least and the largest: of 1, 2 and 6 it is 2.",
        "  ✗ The order does not matter. Treat all alike.",
    ]
    assert [one.holds for one in judge(MEAN, answering(lambda numbers: sum(numbers))).judged] == [
        True,
        False,
        True,
    ]


def test_what_follows_an_essential_condition_waits_for_it():
    verdict = judge(MEAN, answering(lambda numbers: "mean"))
    assert [one.holds for one in verdict.judged] == [False, None, None]
    assert verdict.message.splitlines()[0].endswith("not yet, 0 of 3 conditions hold.")
    assert verdict.message.splitlines()[2:] == [
        "  · It lies between the least and the largest: not judged yet.",
        "  · The order does not matter: not judged yet.",
    ]


def test_one_condition_is_counted_as_one():
    alone = replace(MEAN, conditions=MEAN.conditions[:1])
    assert "done, 1 of 1 condition holds." in str(judge(alone, own_mean))


def test_the_stub_is_not_attempted_and_nothing_else_is_said():
    def stub(numbers):
        raise NotImplementedError  # your turn

    verdict = judge(MEAN, answering(stub))
    assert verdict.status == "not attempted"
    assert str(verdict) == "Exercise 3.7 · own_mean: not attempted yet."


def test_only_the_first_call_tells_that_nothing_was_attempted():
    def half(numbers):
        if len(numbers) > 1:
            raise NotImplementedError
        return numbers[0]

    verdict = judge(MEAN, answering(half))
    assert [one.holds for one in verdict.judged] == [True, False, False]
    assert "raised NotImplementedError" in verdict.judged[1].measured


def test_an_exception_is_told_with_the_learners_own_line():
    def fails(numbers):
        return numbers[0] / 0

    verdict = judge(MEAN, answering(fails))
    assert str(verdict.judged[0]) == (
        "✗ It returns a number: raised ZeroDivisionError: float division by zero, in line 2: "
        "`return numbers[0] / 0`. A mean of numbers is a number."
    )


def test_an_exception_in_what_was_returned_is_told_too():
    def gives_a_function():
        return lambda value: value.missing

    exercise = replace(
        MEAN, conditions=(Condition("It maps 1.", lambda answer: answer()(1.0) == 1.0, "Return."),)
    )
    (one,) = judge(exercise, answering(gives_a_function)).judged
    assert "raised AttributeError: 'float' object has no attribute 'missing', in line" in str(one)


def test_an_endless_loop_is_broken_off():
    def endless(numbers):
        if len(numbers) == 1:
            return 0.0
        while True:
            pass

    handler = signal.getsignal(signal.SIGALRM)
    verdict = judge(replace(MEAN, longest_seconds=0.2), answering(endless))
    assert [one.holds for one in verdict.judged] == [True, False, None]
    assert "took longer than 0 seconds; is there a loop that never ends? Weigh" in str(verdict)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_check_in_another_thread_does_without_a_limit():
    found = []
    thread = threading.Thread(target=lambda: found.append(judge(MEAN, own_mean).status))
    thread.start()
    thread.join()
    assert found == ["done"]


def test_conditions_get_copies_and_the_learner_is_told():
    def greedy(numbers):
        return numbers.pop()

    given = [3.0]
    exercise = replace(
        MEAN,
        conditions=(
            Condition("It leaves them.", lambda answer: answer(given) == 3.0 and given, "Copy."),
        ),
    )
    verdict = judge(exercise, answering(greedy))
    assert (verdict.status, given) == ("done", [3.0])
    assert verdict.notes == (
        "Your function changes what it is given, `numbers`: whoever calls it still needs that. "
        "Work on a copy, or write the result into something new.",
    )


def test_what_is_printed_becomes_a_note(capsys):
    def talks(numbers):
        sys.stderr.write("here\n")
        return numbers[0]

    verdict = judge(MEAN, answering(talks))
    assert capsys.readouterr() == ("", "")
    assert verdict.notes[0].startswith("Your function printed:\n    here")


def test_random_states_stay_and_a_verdict_does_not_depend_on_them():
    exercise = replace(
        MEAN,
        conditions=(
            Condition("It is drawn.", lambda answer: (True, f"{answer([1.0])}"), "Draw."),
            Condition("It is drawn again.", lambda answer: (True, f"{answer([1.0])}"), "Draw."),
        ),
    )
    draws = answering(lambda numbers: torch.rand(()).item() + np.random.rand())
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = judge(exercise, draws)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    np.random.seed(6)
    assert judge(exercise, draws) == first
    assert first.judged[0].measured == first.judged[1].measured


def test_what_may_be_said_of_a_condition():
    for held in (True, 1, np.True_, torch.tensor(True), (True, "so"), (torch.tensor(1.0) > 0, "")):
        one = replace(MEAN, conditions=(Condition("It is so.", lambda _, held=held: held, "No."),))
        assert judge(one, own_mean).status == "done"
    for held in (False, None, (False, "so"), (0, "")):
        one = replace(MEAN, conditions=(Condition("It is so.", lambda _, held=held: held, "No."),))
        assert judge(one, own_mean).status == "not yet"


def test_a_specification_that_asks_for_nothing_is_refused():
    with pytest.raises(ValueError, match="own_mean needs at least one condition"):
        replace(MEAN, conditions=())
    with pytest.raises(ValueError, match="own_mean uses a condition twice: It returns"):
        replace(MEAN, conditions=MEAN.conditions[:1] * 2)
    with pytest.raises(ValueError, match="must have its name, got <lambda>"):
        replace(MEAN, reference=lambda numbers: 0.0)


# ---- The check that learners run -----------------------------------------------------


@pytest.fixture
def mean(monkeypatch):
    """The course with this exercise among its open ones."""
    monkeypatch.setitem(exercises.OPEN, "own_mean", MEAN)


def test_check_finds_an_open_exercise_by_name_and_counts_it_without_points(mean, capsys):
    progress.begin("03")
    exercises.check(answering(lambda numbers: sum(numbers)))
    assert str(progress.summary()).endswith("open exercise: not yet.")
    assert not progress.summary().done
    exercises.check(own_mean)
    exercises.check(answering(lambda numbers: "no"))  # what was done stays done
    assert progress.summary().open_exercises == (1, 1)
    assert progress.summary().points == (0, 0)
    assert str(progress.summary()) == (
        "Lesson 03: 0 of 0 predictions made, open exercise: done. Done!"
    )
    out = capsys.readouterr().out
    assert "Exercise 3.7 · own_mean: done, 3 of 3 conditions hold.\n  ✓ It" in out
    assert "point" not in out


def test_long_lines_stand_under_the_words_and_not_under_the_mark(monkeypatch, capsys):
    long = replace(MEAN, conditions=(Condition("It holds.", lambda _: (False, "so " * 50), "No."),))
    monkeypatch.setitem(exercises.OPEN, "own_mean", long)
    exercises.check(own_mean)
    _, first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("  ✗ It holds: so")
    assert re.match(r" {4}so", second)
    assert max(len(first), len(second)) <= 92


def test_after_three_tries_the_model_answer_is_offered(mean, monkeypatch, capsys):
    offered = []
    monkeypatch.setattr(exercises, "_offer", offered.append)
    wrong = answering(lambda numbers: sum(numbers))
    counts = []
    for _ in range(3):
        exercises.check(wrong)
        counts.append(len(offered))
    assert counts == [0, 0, 1]
    exercises.check(own_mean)
    exercises.check(wrong)
    assert offered == ["own_mean"]
    assert "How to go on" not in capsys.readouterr().out


def test_the_model_answer_is_folded_and_called_one_of_many(mean, monkeypatch):
    import IPython
    from IPython import display

    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(display, "display", lambda data, raw: shown.append(data))
    exercises._offer("own_mean")
    assert shown[0]["text/html"].startswith(
        "<details><summary>A model answer, one of many</summary><pre>def own_mean(numbers):"
    )
    assert shown[0]["text/plain"].startswith("print(exercises.worked('own_mean')) shows a model")


def test_judge_has_no_marks_for_it_and_says_so(mean):
    with pytest.raises(ValueError, match=r"no marks; check\(own_mean\) says which conditions hold"):
        exercises.judge(own_mean)


def test_a_name_that_is_nearly_right_is_recognised(mean, capsys):
    def own_maen(numbers):
        return 0.0

    exercises.check(own_maen)
    assert capsys.readouterr().out.endswith("did you mean 'own_mean'?\n")


# ---- The sheets ----------------------------------------------------------------------


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_each_sheet_is_in_order(sheet):
    exercise = import_module(f"helpers.exercises.{sheet.stem}").OPEN_EXERCISE
    assert exercises.OPEN[exercise.name] is exercise
    assert exercise.name not in exercises.ALL
    lesson, number = exercise.number.split(".")
    assert f"open_{int(lesson):02}" == sheet.stem
    marked = [one.rubric.number.split(".") for one in exercises.ALL.values()]
    assert int(number) == 1 + sum(one == lesson for one, _ in marked)
    assert exercise.signature.startswith(f"{exercise.name}(")
    for condition in exercise.conditions:
        assert re.fullmatch(r"[A-Z].*\.", condition.says)
        assert re.fullmatch(r"[A-Z].*[.?`]", condition.hint)
        assert len(condition.says) < 100
        assert len(condition.hint) < 260


@pytest.mark.parametrize("exercise", exercises.OPEN.values(), ids=lambda one: one.name)
def test_each_model_answer_holds_and_can_be_read_alone(exercise):
    assert judge(exercise, exercise.reference).status == "done"
    space = {"math": math, "np": np, "torch": torch, "nn": nn, "replace": replace}
    for module in (data, models, probe, theory, train):
        space[module.__name__.split(".")[-1]] = module
    exec(exercises.worked(exercise.name), space)
    assert judge(exercise, space[exercise.name]).status == "done"


def test_open_exercises_stand_in_sheets_that_can_be_handed_out():
    """A lesson's own sheet holds references and mistakes, and students never get it."""
    for path in (HELPERS / "exercises").glob("lesson_*.py"):
        assert "OpenExercise" not in path.read_text(), f"move it to open_{path.stem[-2:]}.py"
    for path in SHEETS:
        assert "lesson_" not in path.read_text(), path.name


def marked_answers():
    """The lines that answer an exercise with marks: references, mistakes and solutions."""
    lines = []
    for exercise in exercises.ALL.values():
        lines += inspect.getsource(inspect.getmodule(exercise.reference)).split("\n")
    for source in lessons.source_files():
        for cell in lessons.worked_view(source).cells:
            asked = re.search(r"^def (\w+)", cell.source, re.MULTILINE)
            if "exercise" in cell.metadata.get("tags", []) and asked[1] in exercises.ALL:
                lines += cell.source.split("\n")
    return {line.strip() for line in lines if len(line.strip()) > 25}


def given_away(text):
    """Lines of a sheet that answer an exercise with marks; imports and data do not."""
    found = {line.strip() for line in text.split("\n")} & marked_answers()
    return sorted(line for line in found if not re.match(r"from |import |[\"']|\"\"\"", line))


def test_no_sheet_gives_away_an_answer_that_has_marks():
    for path in SHEETS:
        assert given_away(path.read_text()) == []
    solution, reference = "slope = slope * x * (1 - x)", "slopes = [slope(one) for one in places]"
    assert given_away(f"x = 1\n    {solution}\n  {reference}\n") == [solution, reference]


# ---- Lesson 00: a cure of one's own ---------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({"residual": "rezero"}, [True, True, True, True, True]),
        ({"residual": "pre-act", "norm": "layer"}, [True, True, True, True, True]),
        ({"gain": 17.0}, [True, True, True, True, False]),  # level, and it does not learn
        ({"norm": "layer"}, [True, True, True, False, False]),
        ({"norm": "batch"}, [True, True, False, True, True]),
        ({"gain": 1e6}, [True, True, True, False, False]),  # nothing arrives at all
        ({}, [True, True, True, False, False]),
        ({"depth": 4}, [True, False, None, None, None]),
        ({"activation": "tanh", "initialization": "orthogonal"}, [True, False, None, None, None]),
    ],
)
def test_what_holds_of_a_cure(changes, held):
    def my_cure(dead):
        return replace(dead, **changes)

    threads = torch.get_num_threads()
    verdict = judge(exercises.OPEN["my_cure"], my_cure)
    assert [one.holds for one in verdict.judged] == held
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("returned", [None, {"gain": 3.0}, models.Setting, "pre-act"])
def test_what_is_no_setting_is_told(returned):
    def my_cure(dead):
        return returned

    first, *others = judge(exercises.OPEN["my_cure"], my_cure).judged
    assert first.measured == f"it returned one {type(returned).__name__}"
    assert [one.holds for one in others] == [None] * 4


# ---- Lesson 01: an activation of one's own -------------------------------------------


def own(activation, factor):
    def own_activation():
        return activation, factor

    return own_activation


def predicted(activation):
    return theory.fixed_point(activation, 1 / 3, 1 / 384).norm_factor


def bump(u):
    return u * torch.exp(-(u**2) / 2)


@pytest.mark.parametrize(
    "activation",
    [
        torch.sin,
        bump,
        torch.cos,
        lambda u: 10 * torch.sin(u),
        lambda u: u.abs(),
        lambda u: torch.where(u > 0, u, -0.3 * u),
        lambda u: u.sin_(),
        nn.LeakyReLU(0.3),
    ],
)
def test_many_activations_are_right(activation):
    assert judge(
        exercises.OPEN["own_activation"], own(activation, predicted(activation))
    ).status == ("done")


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "it returned one NoneType"),
        (torch.ones(2), "it returned one Tensor"),
        ((torch.sin, 0.5, 1), "it returned one tuple"),
        ((0.5, torch.sin), "the first is a float"),
        ((torch.sin, "0.5"), None),  # a number all the same
        ((torch.sin, "half"), "the second is a str"),
        ((torch.sin, torch.ones(3)), "the second is a Tensor"),
        ((torch.sin, 0.0), "the number is 0"),
        ((torch.sin, -0.5), "the number is -0.5"),
        ((torch.sin, math.nan), "the number is NaN"),
        ((torch.sin, math.inf), "the number is inf"),
    ],
)
def test_what_is_no_activation_and_number_is_told(returned, words):
    def own_activation():
        return returned

    first, *others = judge(exercises.OPEN["own_activation"], own_activation).judged
    assert first.holds == (words is None)
    assert first.measured == (words or "")
    assert words is None or [one.holds for one in others] == [None] * 3


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        (lambda u: torch.softmax(u, -1), "a number alone comes out otherwise"),
        (lambda u: u - u.mean(), "a number alone comes out otherwise"),
        (lambda u: u.cumsum(0), "a number alone comes out otherwise"),
        (lambda u: torch.rand_like(u) * u, "a number alone comes out otherwise"),
        (torch.sign, "its slope is 0 everywhere"),
        (lambda u: u.detach(), "autograd finds no way through it"),
        (torch.log, "not finite"),
        (lambda u: 1 / u, "not finite"),
        (lambda u: u.sum(), "it made ()"),
        (lambda u: u.float(), "torch.float64 it made (5, 13) torch.float32"),
        (lambda u: 0.5, "of a tensor it made a float"),
        (lambda u: math.sin(u), "raised"),
        (lambda u, v: u, "raised TypeError"),
    ],
)
def test_what_is_no_elementwise_activation_is_told(activation, words):
    verdict = judge(exercises.OPEN["own_activation"], own(activation, 0.5))
    assert [one.holds for one in verdict.judged] == [True, False, None, None]
    assert words in verdict.judged[1].measured


@pytest.mark.parametrize(
    ("activation", "nearest"),
    [
        (torch.tanh, "tanh"),
        (lambda u: 2 * torch.sigmoid(2 * u) - 1, "tanh"),
        (lambda u: torch.relu(u) + 1e-4 * torch.sin(u), "relu"),
        (nn.SiLU(), "silu"),
    ],
)
def test_an_activation_of_the_courses_is_recognised_by_its_values(activation, nearest):
    verdict = judge(exercises.OPEN["own_activation"], own(activation, predicted(activation)))
    assert [one.holds for one in verdict.judged] == [True, True, False, True]
    assert verdict.judged[2].measured.startswith(f"{nearest} is nearest")


@pytest.mark.parametrize(
    ("activation", "factor"),
    [
        (bump, predicted(bump) ** 2),  # chi, which is for the square
        (bump, 1.0),
        (lambda u: torch.sin(3 * u), (1 / 3) ** 0.5 * 3),  # the slope at 0, not at the fixed point
        (lambda u: 4 * u**3, 1.0),  # the signal dies
        (lambda u: torch.exp(3 * u), 1.0),  # it explodes
    ],
)
def test_a_factor_that_is_wrong_is_told_with_what_was_measured(activation, factor):
    verdict = judge(exercises.OPEN["own_activation"], own(activation, factor))
    assert [one.holds for one in verdict.judged] == [True, True, True, False]
    assert re.search(r"measured [\d.e-]+ in 5|does not stay finite", verdict.judged[3].measured)


def test_the_measurement_is_that_of_the_lesson():
    """For an activation of the course it is what the lesson's own networks have."""
    from helpers.exercises.open_01 import _measured_factor

    inputs, targets = data.digits().batch(128, 0)
    factors = [
        probe.record(
            models.build(models.Setting(20, 128, "gelu"), 64, 10, seed),
            inputs,
            targets,
            nn.functional.cross_entropy,
        ).norm_factor
        for seed in range(5)
    ]
    assert _measured_factor(nn.GELU()) == pytest.approx(math.prod(factors) ** 0.2, rel=0.03)


# ---- Grading and releases leave it out -----------------------------------------------


STUB = '''def own_activation():
    """An activation of one's own, and its factor."""
    raise NotImplementedError  # your turn'''
SOLVED = """def own_activation():
    activation = lambda u: torch.sin(2 * u)
    return activation, theory.fixed_point(activation, 1 / 3).norm_factor"""
THEORY = next(path for path in lessons.paths() if path.stem == "01_theory")


def published(open_cells):
    """Lesson 01 with these open cells before its end, and no others."""
    notebook = nbformat.read(THEORY, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "own_activation" not in cell.source]
    notebook.cells[-1:-1] = open_cells
    return notebook


def open_cells(source=STUB):
    code = nbformat.v4.new_code_cell
    return [
        nbformat.v4.new_markdown_cell("### Exercise 1.5 - own_activation (open)"),
        code(source, metadata={"tags": ["exercise"]}),
        code("exercises.check(own_activation)", metadata={"tags": ["check"]}),
    ]


def written(folder, notebook):
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / "01_theory.ipynb")
    return folder / "01_theory.ipynb"


@pytest.fixture
def with_open(tmp_path):
    """A lesson with an open exercise, and the same lesson without."""
    return written(tmp_path / "with", published(open_cells())), written(
        tmp_path / "without", published([])
    )


def filled(notebook, answers):
    """Put answers into the cells of exercises, by the name asked for."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        asked = re.search(r"^def (\w+)", cell.source, re.MULTILINE)
        if "exercise" in cell.metadata.get("tags", []) and asked and asked[1] in answers:
            cell.source = answers[asked[1]]
    return notebook


ANSWERS = {
    "norm_per_layer": "def norm_per_layer(norms):\n    return (norms[0] / norms[-1]) ** 0.5",
    "layers_until": "def layers_until(factor, target:\n    return 3",
}


@pytest.mark.parametrize(
    "solved",
    [
        STUB,
        SOLVED,
        SOLVED.replace(":", "", 1),  # not Python
        "def own_activation()\n    # as in layers_until and norm_per_layer",
        "def layer_until_now(factor, target):\n    return own_activation()",
        "",
    ],
)
@pytest.mark.parametrize("answers", [{}, ANSWERS], ids=["stubs", "answers"])
def test_marks_are_collected_as_if_the_open_exercise_were_not_there(
    with_open, tmp_path, solved, answers
):
    lesson, before = map(read_lesson, with_open)
    assert lesson.exercises == before.exercises
    assert lesson.stubs == before.stubs
    assert (lesson.ungraded, before.ungraded) == (("own_activation",), ())
    handed = []
    for name, notebook, asked in (
        ("ada", filled(published(open_cells(solved)), answers), lesson),
        ("bob", filled(published([]), answers), before),
    ):
        path = written(tmp_path / name, notebook)
        handed.append(read(Found(name, "01_theory", path), asked, tmp_path))
    assert handed[0].answers.keys() == handed[1].answers.keys()
    for name, attempt in handed[0].answers.items():
        assert replace(attempt, reason="") == replace(handed[1].answers[name], reason="")
        assert "own_activation" not in attempt.reason


def test_a_mark_may_use_what_an_open_exercise_defines(with_open, tmp_path):
    uses = "def norm_per_layer(norms):\n    return own_activation()[1]"
    notebook = filled(published(open_cells(SOLVED)), {"norm_per_layer": uses})
    path = written(tmp_path / "ada", notebook)
    handed = read(Found("ada", "01_theory", path), read_lesson(with_open[0]), tmp_path)
    assert set(handed.answers["norm_per_layer"].cells) == {uses, SOLVED}


@pytest.mark.slow
def test_a_class_gets_the_marks_that_it_got_before(with_open, tmp_path):
    trial = next(trial for trial in tiers.trials() if trial.tier == "landlock")
    if not trial.works:
        pytest.skip(trial.why)
    marks = []
    for path, cells in zip(with_open, (open_cells(SOLVED), []), strict=True):
        folder = tmp_path / f"class_{path.parent.name}"
        written(folder / "submissions" / "ada", filled(published(cells), ANSWERS))
        job = GradingJob(
            folder / "submissions", folder / "marks", [path], tmp_path / "key", tier="landlock"
        )
        (record,) = grade(job).records
        marks.append([(mark.exercise, mark.points, mark.status) for mark in record.exercises])
        for page in (folder / "marks").rglob("*.html"):
            assert "own_activation" not in page.read_text()
        assert "own_activation" not in (folder / "marks" / "marks.csv").read_text()
    assert marks[0] == marks[1]
    assert len(marks[0]) == 4


def test_a_release_hands_it_out_and_counts_the_others(with_open, tmp_path):
    handed = list(release.release(tmp_path / "class", with_open[:1], [], ROOT, nbgrader=True))
    assert handed[0] == "01_theory: 4 exercises"
    notebook = nbformat.read(tmp_path / "class-nbgrader/source/01_theory/01_theory.ipynb", 4)
    (cell,) = [cell for cell in notebook.cells if cell.source == STUB]
    assert "nbgrader" not in cell.metadata
    graded = {
        one.metadata.nbgrader.grade_id for one in notebook.cells if "nbgrader" in one.metadata
    }
    assert not [name for name in graded if "own_activation" in name]


def test_a_release_with_a_solved_one_is_refused(tmp_path):
    path = written(tmp_path / "solved", published(open_cells(SOLVED)))
    with pytest.raises(ValueError, match="shows an answer to own_activation"):
        list(release.release(tmp_path / "class", [path], [], ROOT))


RELEASED = """
import contextlib, io, json, sys
from helpers import exercises
import helpers.exercises.open_01 as sheet

def own_activation():
    raise NotImplementedError

out = io.StringIO()
with contextlib.redirect_stdout(out):
    exercises.check(own_activation)
    exercises.check(sheet.own_activation)
lessons = [name for name in sys.modules if ".lesson_" in name]
print(json.dumps([out.getvalue(), lessons, exercises.worked("own_activation")]))
"""


def test_a_released_course_judges_it_as_well(tmp_path):
    release.library(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", RELEASED],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    said, modules, worked = json.loads(done.stdout)
    assert modules == []
    assert "own_activation: not attempted yet.\n" in said
    assert "own_activation: done, 4 of 4 conditions hold.\n" in said
    assert worked.startswith("def own_activation():")


def test_a_released_course_needs_nothing_that_it_does_not_have(tmp_path):
    release.library(tmp_path)
    sheets = sorted(path.name for path in (tmp_path / "helpers/exercises").glob("open_*.py"))
    assert sheets == [*(path.name for path in SHEETS), "open_exercises.py"]
    for path in SHEETS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "helpers":
                for alias in node.names:
                    place = tmp_path / "helpers" / alias.name
                    assert place.is_dir() or place.with_suffix(".py").exists()


def test_a_course_without_the_sheets_has_none(tmp_path):
    shutil.copytree(HELPERS, tmp_path / "helpers", ignore=shutil.ignore_patterns("open_0*.py"))
    code = "from helpers import exercises; print(exercises.OPEN)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "{}\n"


def test_the_overview_asks_for_it_only_where_the_lesson_does(with_open):
    asked, without = map(overview.asked_for, with_open)
    assert [step for step in asked if step not in without] == [
        progress.Step("01", "open exercise", "1.5", 0, 1)
    ]
    summary = progress.summed("01", asked, [progress.Step("01", "open exercise", "1.5", 1, 1)])
    assert summary.open_exercises == (1, 1)
    assert "open exercise: done" in str(summary)
