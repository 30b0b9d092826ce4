"""What learners' answers are told: every record of tests/learners, and how hints are found."""

import json
import math
import re
import signal
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import exercises
from helpers.exercises import calling
from helpers.exercises.marking import judge, mark
from helpers.exercises.relations import RELATIONS, UNFINISHED
from helpers.exercises.specification import Answer, Exercise, Misconception, Part, Question, Rubric
from tests.learners import Learner

HERE = Path(__file__).parent / "learners"
LEARNERS = [
    one
    for path in sorted(HERE.glob("lesson_*.py"))
    for value in vars(import_module(f"tests.learners.{path.stem}")).values()
    if isinstance(value, list)
    for one in value
    if isinstance(one, Learner)
]
# What each answer is told, and how a reader judged it: precise, vague or misleading; of two
# mistakes both, one or none named. Who changes what is told reads the message and judges anew.
JUDGED = {
    (one["exercise"], one["mistake"]): one
    for one in json.loads((HERE / "recognised.json").read_text(encoding="utf-8"))
}


def named(learner):
    return f"{learner.exercise}: {learner.mistake}"


@pytest.mark.parametrize("learner", LEARNERS, ids=named)
def test_what_a_learner_is_told_is_what_was_judged(learner, capsys):
    verdict = judge(exercises.ALL[learner.exercise], learner.answer)
    told = JUDGED[learner.exercise, learner.mistake]
    assert verdict.misconception == told["recognised"], verdict.message
    assert (verdict.status == "correct") == told["passes"]
    assert any("changes what it is given" in note for note in verdict.notes) == told["overwrites"]
    if learner.kind == "right":
        assert verdict.status == "correct", verdict.message
    elif learner.kind == "two" or not told["overwrites"]:
        assert verdict.status in ("wrong", "error")
    assert capsys.readouterr() == ("", "")


def share(kind, judgement):
    counts = Counter(one["judged"] for one in JUDGED.values() if one["kind"] == kind)
    return counts[judgement] / counts.total()


def test_the_hints_reach_their_targets():
    assert len(JUDGED) == len(LEARNERS)
    assert share("wrong", "precise") >= 0.90
    assert share("wrong", "vague") <= 0.09
    assert share("wrong", "misleading") == share("wrong", "accepted") == 0
    assert share("right", "correct") == 1
    assert share("two", "both") >= 0.60
    assert share("two", "misleading") == 0


# Relations that hold for any exercise


def cases(rng):
    return [{"x": np.array(rng.uniform(1.5, 9, size=4)), "rate": float(r)} for r in (0.3, 0.7, 2.5)]


def quick(rng):
    return [{"x": np.array(rng.uniform(1.5, 9, size=4)), "rate": r} for r in (6.0, 7.5, 9.0)]


def square_root(x, rate):
    return rate * np.sqrt(x) + 0.1


ROOTS = Exercise(
    name="roots",
    number="9.8",
    title="Roots",
    signature="roots(x, rate)",
    parts=(Part("some", 1, cases), Part("others", 2, cases)),
    reference=square_root,
    misconceptions=(
        Misconception("no root", lambda x, rate: rate * x + 0.1, "A root is missing."),
        Misconception("no offset", lambda x, rate: rate * np.sqrt(x), "An offset is missing."),
        Misconception(
            "offset twice", lambda x, rate: square_root(x, rate) + 0.1, "Once is enough."
        ),
    ),
)

RELATED = {relation.name: relation for relation in RELATIONS}
# What cannot be seen of positive numbers, or not to the digits that are compared.
UNSEEN = {"sign dropped", "rounded down", "rounded to 4 decimals"}
OF_VECTORS = [name for name, one in RELATED.items() if one.of(np.ones((1, 4))).size]
SEEN = [name for name in OF_VECTORS if name not in UNSEEN]


@pytest.mark.parametrize("name", SEEN)
def test_a_relation_is_recognised(name):
    def answer(x, rate):
        return RELATED[name].of(square_root(x, rate)[None])[0]

    verdict = judge(ROOTS, answer)
    assert verdict.misconception == name, verdict.message
    assert verdict.hint == RELATED[name].hint
    assert verdict.message.endswith(verdict.hint)


@pytest.mark.parametrize("name", SEEN)
def test_a_relation_together_with_a_misconception_is_recognised(name):
    def answer(x, rate):
        return RELATED[name].of((rate * x + 0.1)[None])[0]

    verdict = judge(ROOTS, answer)
    assert verdict.misconception == f"no root + {name}"
    assert verdict.hint == (
        f"Two things at once: no root; and {name}. The first: A root is missing. "
        f"And with that mended: {RELATED[name].hint}"
    )


def test_a_second_change_that_changes_no_right_answer_is_no_mistake():
    def shares(x, rate):
        return x / x.sum() * (1 + 0 * rate)

    def short(x, rate):
        return np.concatenate([[0.0], x[1:] / x.sum()])

    exercise = replace(
        ROOTS,
        reference=shares,
        misconceptions=(
            Misconception("first set to 0", short, "The first item counts, too."),
            *ROOTS.misconceptions[1:],
        ),
    )
    told = judge(exercise, lambda x, rate: short(x, rate) / short(x, rate).sum())
    assert told.misconception == "first set to 0"
    assert told.hint == "The first item counts, too."


def test_nan_beside_a_mistake_is_told_too():
    def of_tensors(change):
        def answer(x, rate):
            x = torch.cat([torch.zeros(1, dtype=torch.float64), torch.as_tensor(x)])
            return change(x, rate)

        return answer

    exercise = replace(
        ROOTS,
        reference=of_tensors(lambda x, rate: x.sqrt() + rate),
        misconceptions=(
            Misconception("no root", of_tensors(lambda x, rate: x + rate), "A root is missing."),
            Misconception("no rate", of_tensors(lambda x, rate: x.sqrt()), "The rate is missing."),
            Misconception("rate squared", of_tensors(lambda x, rate: x.sqrt() + rate**2), "Why?"),
        ),
    )
    told = judge(exercise, of_tensors(lambda x, rate: x * x / x + rate))  # 0 over 0
    assert told.misconception == "no root + NaN"
    assert told.hint.startswith("A root is missing. For some inputs your function answers NaN")
    told = judge(exercise, of_tensors(lambda x, rate: 2 * (x.sqrt() * x / x + rate)))
    assert told.misconception == "twice too large + NaN"
    told = judge(exercise, of_tensors(lambda x, rate: math.nan * x))
    assert told.misconception == "NaN"
    by_part = replace(exercise, parts=(Part("some", 1, cases), Part("others", 2, quick)))

    def different(x, rate):
        return x * x / x + rate if rate < 5 else 2 * x.sqrt() / 3 + rate**3

    told = judge(by_part, of_tensors(different))
    assert told.misconception == "no root + NaN", told.message
    assert "In the part 'some': A root is missing. For some inputs" in told.message


# Right answers to other questions


def layered(rng):
    return [
        {
            "weights": torch.tensor(rng.uniform(1.5, 9, size=(3, 3))),
            "norms": [float(norm) for norm in rng.uniform(1.5, 9, size=4)],
            "layer": layer,
            "rate": rate,
            "decay": 1.7 * rate,
        }
        for layer, rate in ((2, 0.3), (3, 0.7), (2, 2.5))
    ]


def mixed(weights, norms, layer, rate, decay):
    numbered = sum((place + 1) * norm for place, norm in enumerate(norms)) / len(norms)
    return weights.numpy()[0] * numbered**layer + rate**3 / (1 + decay)


MIXED = Exercise(
    name="mixed",
    number="9.7",
    title="Mixed",
    signature="mixed(weights, norms, layer, rate, decay)",
    parts=(Part("some", 1, layered), Part("others", 2, layered)),
    reference=mixed,
    misconceptions=tuple(
        Misconception(f"{words} too much", lambda *given, more=more: mixed(*given) + more, words)
        for words, more in (("one", 1.0), ("two", 2.0), ("three", 3.0))
    ),
)
SLIPS = {
    "`weights` transposed": lambda given: {"weights": given["weights"].T},
    "`layer` counted one too low": lambda given: {"layer": given["layer"] - 1},
    "`layer` counted one too high": lambda given: {"layer": given["layer"] + 1},
    "`layer` left out": lambda given: {"layer": 1},
    "`rate` left out": lambda given: {"rate": 1.0},
    "`rate` left out, as if it were 0": lambda given: {"rate": 0.0},
    "1 minus `rate` in the place of `rate`": lambda given: {"rate": 1 - given["rate"]},
    "`decay` squared": lambda given: {"decay": given["decay"] ** 2},
    "the root of `decay` taken": lambda given: {"decay": given["decay"] ** 0.5},
    "one over `decay` in the place of `decay`": lambda given: {"decay": 1 / given["decay"]},
    "`rate` and `decay` swapped": lambda given: {"rate": given["decay"], "decay": given["rate"]},
    "the first item of `norms` left out": lambda given: {"norms": given["norms"][1:]},
    "the last item of `norms` left out": lambda given: {"norms": given["norms"][:-1]},
    "`norms` read from the wrong end": lambda given: {"norms": given["norms"][::-1]},
}


@pytest.mark.parametrize("slip", SLIPS)
def test_the_right_answer_to_another_question_is_recognised(slip):
    def answer(weights, norms, layer, rate, decay):
        given = {"weights": weights, "norms": norms, "layer": layer, "rate": rate, "decay": decay}
        return mixed(**given | SLIPS[slip](given))

    verdict = judge(MIXED, answer)
    assert verdict.misconception is not None, verdict.message
    assert slip in verdict.hint


@pytest.mark.parametrize("name", sorted(UNSEEN))
def test_a_relation_of_small_signed_numbers_is_recognised(name):
    def small(x, rate):
        return (square_root(x, rate) - 2.5) * 10.0 ** (-2 if "4" in name else 0)

    exercise = replace(ROOTS, reference=small)
    verdict = judge(exercise, lambda x, rate: RELATED[name].of(small(x, rate)))
    assert verdict.misconception == name


def test_what_is_in_the_arguments_is_found_in_a_factor():
    by_rate = judge(ROOTS, lambda x, rate: square_root(x, rate) * rate**2)
    assert by_rate.misconception == "multiplied by the square of `rate`"
    other = judge(ROOTS, lambda x, rate: square_root(x, 1 / rate))
    assert other.misconception == "one over `rate` in the place of `rate`"
    assert judge(ROOTS, lambda x, rate: x).misconception == "`x` handed back"
    assert judge(ROOTS, lambda x, rate: 1.7 * square_root(x, rate)).misconception == (
        "a constant factor"
    )


def test_a_relation_is_not_named_where_numbers_meet_by_chance():
    def cases(rng):
        return [{"x": 2.0}, {"x": 2.0}, {"x": 0.0}]

    exercise = replace(
        ROOTS,
        parts=(Part("few", 1, cases),),
        reference=lambda x: x,
        misconceptions=tuple(
            Misconception(name, lambda x: -77.0, f"The hint of {name}.") for name in "abc"
        ),
        signature="roots(x)",
    )
    assert judge(exercise, lambda x: 2 * x).misconception is None  # one number: a square, a sum?
    assert judge(exercise, lambda x: x * x).misconception is None


def test_two_misconceptions_that_add_up_are_recognised():
    verdict = judge(ROOTS, lambda x, rate: rate * x + 0.2)
    assert verdict.misconception == "no root + offset twice"
    assert (
        "Two things at once: no root; and offset twice. The first: A root is missing. And with that"
        in (verdict.message)
    )


def test_each_part_may_have_a_mistake_of_its_own():
    calls = []

    def answer(x, rate):
        calls.append(x)
        first = len(calls) <= 3
        return rate * x + 0.1 if first else rate * np.sqrt(x)

    verdict = judge(ROOTS, answer)
    assert verdict.misconception == "no root + no offset"
    assert "In the part 'some': A root is missing. In the part 'others': An offset" in (
        verdict.message
    )
    calls.clear()

    def half_explained(x, rate):
        calls.append(x)
        return rate * x + 0.1 if len(calls) <= 3 else np.sin(x) ** 2

    verdict = judge(ROOTS, half_explained)
    assert verdict.misconception == "no root"
    assert "In the part 'some': A root is missing." in verdict.message
    assert " Then: roots(" in verdict.message


def test_what_raises_beside_a_mistake_is_told_too():
    def answer(x, rate):
        if rate > 2:
            raise ValueError("too fast")
        return rate * x + 0.1

    verdict = judge(ROOTS, answer)
    assert verdict.misconception == "no root"
    assert re.search(r"Then: roots\(.*\) raised ValueError: too fast, in line 3", verdict.message)


HUGE = {
    "a wide shape": np.zeros((3, 100_000)),
    "no entries": np.zeros(0),
    "NaN": np.full(4, math.nan),
    "infinity": np.full(4, math.inf),
    "many axes": np.zeros((1,) * 16),
    "a long list": [np.zeros(2)] * 3000,
    "texts": ["1"] * 4,
    "nothing in a list": [],
    "a list in a list": [[[1.0]]],
    "a huge number": 10**300,
}


@pytest.mark.parametrize("value", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("hidden", [False, True])
def test_whatever_comes_back_is_marked(value, hidden):
    asked = ROOTS.questions(np.random.default_rng(0))
    verdict = mark(ROOTS.rubric, asked, [Answer(value)] * len(asked), hidden=hidden)
    assert verdict.status == "wrong"


def test_no_hint_tells_a_hidden_number():
    asked = ROOTS.questions(np.random.default_rng(3))
    for factor in (1.0, 1.234):
        for relation in (*RELATIONS, *UNFINISHED):
            answers = []
            for question in asked:
                made = relation.of(np.asarray(question.expected)[None])
                answers.append(Answer(factor * made[0] if len(made) else None))
            message = mark(ROOTS.rubric, asked, answers, hidden=True).message
            assert not re.search(r"\d\.\d\d|\d{3}", message), message


def test_two_mistakes_are_recognised_from_stored_questions():
    rubric = Rubric("f", "9.9", "Any", "f(x)", (("all", 1),), {"a": "Hint a.", "b": "Hint b."})
    asked = [
        Question(
            "all", {"x": x}, 2 * x, {"a": 6 * x, "b": 2 * x + 5}, None, {"a + b": 6 * x + 7}, {}
        )
        for x in (1.5, 2.25, 3.75, 8.5)
    ]
    answers = [Answer(6 * question.arguments["x"] + 7) for question in asked]
    verdict = mark(rubric, asked, answers)
    assert verdict.misconception == "a + b"
    assert verdict.message.endswith(
        "Two things at once: a; and b. The first: Hint a. And with that mended: Hint b."
    )


# What a check does besides marking


def test_an_endless_loop_is_broken_off(monkeypatch):
    def layers_until(factor, target):
        while True:
            with suppress(Exception):
                factor += 0.0

    handler = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr(calling, "LONGEST_SECONDS", 0.2)
    verdict = exercises.judge(layers_until)
    assert verdict.status == "error"
    assert verdict.message.endswith("; is there a loop that never ends?")
    assert "took longer than" in verdict.message
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_import_is_not_broken_off(monkeypatch, tmp_path):
    """Half a module would stay behind, and every later answer would stumble over it."""
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.5)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(calling, "LONGEST_SECONDS", 0.2)

    def answer(x, rate):
        import slow_to_import

        assert slow_to_import.whole
        return square_root(x, rate)

    assert judge(ROOTS, answer).status == "correct"
    assert sys.modules.pop("slow_to_import").whole


def test_an_error_shows_what_the_names_in_its_line_held():
    def roots(x, rate):
        total = rate - rate
        parts = [one / total for one in x.tolist()]
        return np.array(parts)

    message = judge(ROOTS, roots).message
    assert re.search(
        r"raised ZeroDivisionError: .*, in line 3: `parts = \[one / total for one in .*\]`"
        r", where `one` was [\d.]+ and `total` was 0\.$",
        message,
    )


def test_somebody_elses_timer_is_left_running():
    rung = []
    handler = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        judge(ROOTS, square_root)
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def test_a_check_in_another_thread_does_without_a_limit():
    found = []
    thread = threading.Thread(target=lambda: found.append(judge(ROOTS, square_root).status))
    thread.start()
    thread.join()
    assert found == ["correct"]


def test_what_a_function_prints_is_kept_short(capsys):
    def safe_norm(values):
        sys.stdout.write(f"largest: {values.abs().max().item()}\n")
        sys.stdout.write("x" * 10_000 + "\n")
        return math.hypot(*values.flatten().tolist())

    exercises.check(safe_norm)
    out = capsys.readouterr().out
    first, second, third, *rest = out.splitlines()
    assert first == "Exercise 2.1 · safe_norm: correct (5 of 5 points)."
    assert second == "Your function printed:"
    assert third == "    largest: 4.0"
    assert rest[-1] == "    ..."
    assert len(out) < 500


def test_an_overwritten_argument_is_told_and_costs_nothing(capsys):
    def unchanged_share(before, after):
        before -= after
        return (before == 0).double().mean().item()

    exercises.check(unchanged_share)
    out = " ".join(capsys.readouterr().out.split())
    assert out == (
        "Exercise 2.2 · unchanged_share: correct (3 of 3 points). Your function changes what it is "
        "given, `before`: whoever calls it still needs that. Work on a copy, or write the result "
        "into something new."
    )


def test_help_comes_in_levels(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(exercises, "_offer", shown.append)
    exercises._TRIES.clear()

    def decades_lost(first, last):
        return math.log(last / first)

    def stub(first, last):
        raise NotImplementedError

    stub.__name__ = "decades_lost"
    approach = exercises.ALL["decades_lost"].rubric.approach.split(":")[0]
    exercises.check(stub)
    counts = []
    for _ in range(3):
        exercises.check(decades_lost)
        counts.append((capsys.readouterr().out.count(f"How to go on: {approach}"), len(shown)))
    assert counts == [(0, 0), (1, 0), (1, 1)]
    assert shown == ["decades_lost"]

    def right(first, last):
        return math.log10(last / first)

    right.__name__ = "decades_lost"
    exercises.check(right)
    exercises.check(decades_lost)
    assert "How to go on" not in capsys.readouterr().out


@pytest.mark.parametrize("exercise", exercises.ALL.values(), ids=lambda one: one.name)
def test_every_exercise_says_how_to_go_on_and_has_a_worked_solution(exercise):
    assert 60 < len(exercise.approach) < 260
    assert exercise.approach[-1] in ".?"
    worked = exercises.worked(exercise.name)
    assert worked.startswith(f"def {exercise.name}(")
    assert "###" not in worked
    assert "NotImplementedError" not in worked
    space = {"math": math, "np": np, "torch": torch}
    exec(worked, space)
    assert judge(exercise, space[exercise.name]).status == "correct"


def test_a_course_without_sources_has_no_worked_solution(monkeypatch, tmp_path):
    monkeypatch.setattr(exercises, "_SOURCES", tmp_path)
    assert exercises.worked("safe_norm") is None


def test_a_notebook_folds_the_worked_solution(monkeypatch):
    import IPython
    from IPython import display

    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(display, "display", lambda data, raw: shown.append((data, raw)))
    exercises._offer("layers_until")
    ((data, raw),) = shown
    assert raw
    assert data["text/html"].startswith("<details><summary>A worked solution</summary><pre>def lay")
    assert "factor**layers &gt; target" in data["text/html"]
    assert data["text/plain"] == "print(exercises.worked('layers_until')) shows a worked solution."


def test_long_lines_wrap_between_words(capsys):
    def backward_deltas(weights, pre_activations, delta):
        return [torch.full((1, 1), 0.123456789), delta]

    message = exercises.judge(backward_deltas).message
    exercises.check(backward_deltas)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 92 for line in lines)
    assert " ".join(lines).startswith(message)
