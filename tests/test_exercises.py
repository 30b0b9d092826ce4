import importlib
import math
import random
import re
from dataclasses import FrozenInstanceError, replace
from functools import partial
from inspect import signature
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from helpers import exercises
from helpers.exercises.calling import call
from helpers.exercises.compare import difference
from helpers.exercises.marking import judge, mark
from helpers.exercises.specification import Answer, Exercise, Misconception, Part, Question, Rubric
from helpers.exercises.values import ModelProbe, probe_model
from helpers.plain import Other, decoded, encoded

ALL = list(exercises.ALL.values())
SEEDS = range(8)
MISCONCEPTIONS = [
    (exercise, misconception) for exercise in ALL for misconception in exercise.misconceptions
]


def name_of(value):
    return value.name


def questions(exercise, seed=0):
    return exercise.questions(np.random.default_rng(seed))


def returning(exercise, change):
    """Return a function that gives the right answer, changed."""
    return lambda *arguments: change(exercise.reference(*arguments))


def everywhere(change, value):
    """Apply a change to every number or array in an answer."""
    if isinstance(value, list):
        return [everywhere(change, item) for item in value]
    return change(value)


# Answers as learners write them


def sigmoid_by_autograd(x, depth):
    x = x.requires_grad_()
    y = x
    for _ in range(depth):
        y = torch.sigmoid(y)
    return torch.autograd.grad(y.sum(), x)[0]


def sigmoid_by_slopes(x, depth):
    slope = torch.ones_like(x, requires_grad=True)
    for _ in range(depth):
        x = torch.sigmoid(x)
        slope = slope * x * (1 - x)
    return slope


def layers_by_multiplying(factor, target):
    left, layers = 1.0, 0
    while left > target:
        left *= factor
        layers += 1
    return layers


def deltas_in_place(weights, pre_activations, delta):
    deltas = [delta]
    while weights:
        step = deltas[0] @ weights.pop()
        deltas.insert(0, step.mul_(1 - pre_activations.pop().tanh_().square_()))
    return tuple(deltas)


def norm_by_scaling(values):
    largest = values.abs().max().item()
    return largest * (values / largest).norm().item() if largest > 0 else 0.0


def adam_by_the_book(gradient, lr, eps):
    m, v = 0.1 * gradient / (1 - 0.9), 0.001 * gradient**2 / (1 - 0.999)
    return -lr * m / (v.sqrt() + eps)


SOLUTIONS = [
    ("decades_lost", lambda first, last: math.log10(last / first)),
    ("decades_lost", lambda first, last: math.log(last / first, 10)),
    ("decades_lost", lambda first, last: torch.tensor(last / first).log10()),
    ("decades_lost", lambda first, last: np.log10(np.float32(last)) - np.log10(np.float32(first))),
    ("layers_until", layers_by_multiplying),
    ("layers_until", lambda f, t: math.ceil(math.log(t) / math.log(f))),
    ("layers_until", lambda f, t: math.ceil(math.log10(t) / math.log10(f))),
    ("layers_until", lambda f, t: math.ceil(math.log(t, f))),
    ("layers_until", lambda f, t: next(n for n in range(10_000) if f**n <= t)),
    ("layers_until", lambda f, t: np.ceil(np.log2(t) / np.log2(f))),
    ("layers_until", lambda f, t: torch.ceil(torch.tensor(t).log2() / torch.tensor(f).log2())),
    ("sigmoid_chain_grad", sigmoid_by_autograd),
    ("sigmoid_chain_grad", sigmoid_by_slopes),
    ("sigmoid_chain_grad", lambda x, depth: sigmoid_by_slopes(x.double(), depth)),
    ("backward_deltas", deltas_in_place),
    (
        "backward_deltas",
        lambda w, z, d: deltas_in_place(
            [t.double() for t in w], [t.double() for t in z], d.double()
        ),
    ),
    ("norm_per_layer", lambda norms: (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))),
    (
        "norm_per_layer",
        lambda norms: np.exp(-np.diff(np.log(norms)).mean()),
    ),
    ("safe_norm", norm_by_scaling),
    ("safe_norm", lambda values: math.hypot(*values.flatten().tolist())),
    ("unchanged_share", lambda before, after: (before == after).float().mean()),
    ("unchanged_share", lambda before, after: (before == after).sum() / before.numel()),
    ("adam_first_update", lambda gradient, lr, eps: -lr * gradient / (gradient.abs() + eps)),
    ("adam_first_update", adam_by_the_book),
]
# From lesson 03 on, each lesson has its own file of right answers and independent facts.
for path in sorted(Path(__file__).parent.glob("test_exercises_*.py")):
    SOLUTIONS += importlib.import_module(path.stem).SOLUTIONS


@pytest.mark.parametrize(("name", "function"), SOLUTIONS)
def test_a_right_answer_is_correct_whatever_its_way_and_type(name, function):
    for seed in SEEDS:
        verdict = judge(exercises.ALL[name], function, seed)
        assert verdict.status == "correct", verdict.message
        assert verdict.points == verdict.of
        assert all(part.points == part.of for part in verdict.parts)
    number = exercises.ALL[name].number
    score = f"({verdict.of} of {verdict.of} points)"
    assert verdict.message == f"Exercise {number} · {name}: correct {score}."


def test_every_exercise_has_a_solution_here():
    assert {name for name, _ in SOLUTIONS} == set(exercises.ALL)


# References against independent facts


def test_sigmoid_chain_grad_is_the_derivative():
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    reference = exercises.ALL["sigmoid_chain_grad"].reference
    for depth in (1, 2, 7):
        expected = sigmoid_by_autograd(x.clone(), depth).numpy()
        np.testing.assert_allclose(reference(x, depth), expected, rtol=1e-12)
    np.testing.assert_array_equal(reference(torch.zeros(2), 1), [0.25, 0.25])


def test_backward_deltas_is_what_autograd_finds():
    generator = torch.Generator().manual_seed(0)
    widths = (5, 3, 4, 2)
    weights = [
        torch.randn(out, into, generator=generator, dtype=torch.float64)
        for into, out in pairwise(widths)
    ]
    z = [torch.randn(6, 5, generator=generator, dtype=torch.float64, requires_grad=True)]
    for weight in weights:
        z.append(z[-1].tanh() @ weight.T)
        z[-1].retain_grad()
    (z[-1] ** 3).sum().backward()
    inputs = [one.detach() for one in z[:-1]]
    deltas = exercises.ALL["backward_deltas"].reference(weights, inputs, z[-1].grad)
    assert len(deltas) == 4
    for delta, one in zip(deltas, z, strict=True):
        np.testing.assert_allclose(delta, one.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("factor", "target", "layers"),
    [(0.5, 1e-3, 10), (0.5, 1, 0), (0.5, 0.5**10, 10), (0.1, 1e-4, 4), (0.125, 0.125**7, 7)],
)
def test_layers_until_counts(factor, target, layers):
    assert exercises.ALL["layers_until"].reference(factor, target) == layers


def test_the_scalar_references_meet_closed_forms():
    reference = {exercise.name: exercise.reference for exercise in ALL}
    assert reference["decades_lost"](1e-6, 1.0) == pytest.approx(6)
    assert reference["decades_lost"](10.0, 1.0) == pytest.approx(-1)
    assert reference["norm_per_layer"]([0.5**n for n in range(9, -1, -1)]) == pytest.approx(0.5)
    assert reference["norm_per_layer"]([1e-200, 3.0, 1.0]) == pytest.approx(1e-100)
    ones = torch.ones(4, 4, dtype=torch.float64)
    for size in (1.0, 1e-200, 1e200, 0.0):
        assert reference["safe_norm"](size * ones) == pytest.approx(4 * size, abs=0)
    assert reference["unchanged_share"](ones, ones + torch.eye(4, dtype=torch.float64)) == 0.75


def test_adam_first_update_is_what_adam_does():
    exercise = exercises.ALL["adam_first_update"]
    for question in questions(exercise):
        gradient, lr, eps = question.arguments.values()
        weight = torch.nn.Parameter(torch.zeros(gradient.shape, dtype=torch.float64))
        weight.grad = gradient.double()
        torch.optim.Adam([weight], lr=lr, eps=eps).step()
        np.testing.assert_allclose(question.expected, weight.detach().numpy(), rtol=1e-9)


# Wrong answers


@pytest.mark.parametrize(("exercise", "misconception"), MISCONCEPTIONS, ids=name_of)
def test_a_misconception_earns_exactly_its_own_hint(exercise, misconception):
    for seed in SEEDS:
        verdict = judge(exercise, misconception.answer, seed)
        assert verdict.status == "wrong"
        assert verdict.misconception == misconception.name
        assert verdict.points < verdict.of
        assert f" of {verdict.of} points). Smallest failing input: " in verdict.message
        assert verdict.message.endswith(f" {misconception.hint}")
        assert ": not yet (" in verdict.message


# These ask for numbers that float32 does not hold, or not to the digits that tell answers apart.
BEYOND_FLOAT32 = {"safe_norm", "norm_per_layer", "clip_by_norm"}


@pytest.mark.parametrize(
    ("exercise", "misconception"),
    [pair for pair in MISCONCEPTIONS if pair[0].name not in BEYOND_FLOAT32],
    ids=name_of,
)
def test_a_misconception_in_float32_is_recognised_too(exercise, misconception):
    def answer(*arguments):
        to_float32 = partial(torch.as_tensor, dtype=torch.float32)
        wrong = misconception.answer(*arguments)
        return wrong if wrong is None else everywhere(to_float32, wrong)

    assert judge(exercise, answer).misconception == misconception.name


@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_hints_do_not_give_the_answer_away(exercise):
    for misconception in exercise.misconceptions:
        assert not re.search(
            r"[=*/^@+\[\]]|\breturn\b|\w\(|torch\.|math\.|np\.", misconception.hint
        )
        assert 40 < len(misconception.hint) < 200
        assert misconception.hint[0].isupper()
        assert misconception.hint[-1] in ".?"


WRONG = {
    "a constant": lambda right: 0.123,
    "a string": lambda right: "0.25",
    "True": lambda right: True,
    "an empty list": lambda right: [],
    "a huge integer": lambda right: 10**400,
    "nothing": lambda right: None,
    "an object": lambda right: object(),
    "NaN": partial(everywhere, lambda value: value * math.nan),
    "infinity": partial(everywhere, lambda value: value * 0 + math.inf),
    "a wider shape": partial(everywhere, lambda value: np.stack([value, value])),
    "complex": partial(everywhere, lambda value: torch.as_tensor(value).to(torch.complex128)),
    "truths": partial(everywhere, lambda value: torch.as_tensor(value) > 0),
    "a little more": partial(everywhere, lambda value: value * 1.001 + 0.001),
    "twice as much": partial(everywhere, lambda value: value + value + 1e-5),
}


@pytest.mark.parametrize("exercise", ALL, ids=name_of)
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_wrong(exercise, change):
    verdict = judge(exercise, returning(exercise, change))
    assert verdict.status == "wrong"
    assert verdict.points == 0
    assert not set((verdict.misconception or "").split(" + ")) & set(exercise.rubric.hints)
    call = rf"{exercise.name}\([^\n]*\)"
    assert re.search(rf"Smallest failing input: {call} returned .*[.?]$", verdict.message)
    assert len(verdict.message) < 700


def test_an_answer_to_other_questions_is_wrong():
    for exercise in ALL:
        memory = iter([question.expected for question in questions(exercise, 1)])
        assert judge(exercise, lambda *arguments, memory=memory: next(memory)).status == "wrong"


class Lying(torch.Tensor):
    """Holds a wrong number, and does everything as if it held the right one."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return function(*(cls.truth if type(arg) is cls else arg for arg in args), **kwargs or {})


class LyingNumber(float):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0

    def __float__(self):
        return self.truth

    __hash__ = None


@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_a_subclass_that_lies_earns_nothing(exercise):
    def tensor(right):
        Lying.truth = torch.as_tensor(right)
        return torch.full_like(Lying.truth, 0.123).as_subclass(Lying)

    def number(right):
        LyingNumber.truth = float(np.ravel(right)[0])
        return LyingNumber(0.123)

    def array(right):
        class LyingArray(np.ndarray):
            def astype(self, *arguments, **keywords):
                return np.asarray(right, dtype=np.float64)

        return np.full(np.shape(right), 0.123).view(LyingArray)

    assert torch.equal(tensor(1.0), torch.tensor(1.0))
    for lie in (tensor, number, array):
        verdict = judge(exercise, returning(exercise, partial(everywhere, lie)))
        assert verdict.points == 0
        assert "a value of type Lying" in verdict.message


def by_name(name):
    """Let a test's function stand for the learner's."""

    def named(function):
        function.__name__ = name
        return exercises.judge(function).message.split("points). ")[-1]

    return named


def test_the_message_says_what_came_back():
    chain = by_name("sigmoid_chain_grad")
    first = "Smallest failing input: sigmoid_chain_grad(x=tensor([0.]), depth=1) "
    assert chain(lambda x, depth: None) == (
        first + "returned None: did you forget `return`, or did no branch apply?"
    )
    assert chain(lambda x, depth: depth / 0).startswith(
        first + "raised ZeroDivisionError: division by zero, in line 1: `"
    )
    assert chain(lambda x, depth: torch.full_like(x, math.nan)).startswith(
        first + "returned a tensor of shape (1,) with NaN at [0]; expected 0.25 there. For some"
    )
    assert chain(lambda x, depth: 0.25 * depth) == (
        first + "returned the number 0.25; expected a tensor of shape (1,)."
    )
    assert chain(lambda x, depth: [0.5 * depth]) == (first + "returned [0.5]; expected [0.25].")
    assert chain(lambda x: x).startswith(first + "raised TypeError: ")
    assert chain(lambda x, depth: torch.full_like(x, 0.25)) == (
        "Smallest failing input: sigmoid_chain_grad(x=tensor([0.]), depth=2) "
        "returned tensor([0.25]); expected tensor([0.0588]). Your function answers the same "
        "whatever it is asked: do its arguments come in, or does something cancel them, such as a "
        "minus without brackets?"
    )
    assert by_name("safe_norm")(lambda values: values + 1) == (
        "Smallest failing input: safe_norm(values=tensor([3., 4.])) "
        "returned a tensor of shape (2,); expected one number."
    )
    assert by_name("safe_norm")(lambda values: 5.0 if values.dtype == torch.float32 else 0) == (
        "Smallest failing input: safe_norm(values=tensor([0., 0., 0.])) returned 5; expected 0."
    )
    assert by_name("backward_deltas")(lambda weights, z, delta: [delta, None]) == (
        "Smallest failing input: backward_deltas(weights=[tensor([[2.]])], "
        "pre_activations=[tensor([[0.5]])], delta=tensor([[1.]])) "
        "returned a list whose item 0 is tensor([[1.]]); expected tensor([[1.57]])."
    )


def test_an_error_keeps_the_points_of_other_parts():
    def only_one_layer(x, depth):
        return torch.full_like(x, 0.25) if depth == 1 and not x.any() else x.no_such_thing

    verdict = judge(exercises.ALL["sigmoid_chain_grad"], only_one_layer)
    assert verdict.status == "error"
    assert [part.points for part in verdict.parts] == [2, 0]
    assert "not yet (2 of 5 points). Smallest failing input: " in verdict.message
    assert verdict.message.endswith(
        "AttributeError: 'Tensor' object has no attribute 'no_such_thing', in line 2: "
        "`return torch.full_like(x, 0.25) if depth == 1 and not x.any() else x.no_such_thing`, "
        "where `depth` was 2."
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError(), "raised ValueError"),
        (ValueError("first\nsecond"), "raised ValueError: first"),
        (ValueError("x" * 5000), f"raised ValueError: {'x' * 200}..."),
        (RecursionError("too deep."), "raised RecursionError: too deep."),
    ],
)
def test_an_error_is_told_in_one_line(error, words):
    def failing(first, last):
        raise error

    message = judge(exercises.ALL["decades_lost"], failing).message
    said = f"decades_lost(first=0.01, last=1) {words}, in line 2: `raise error`."
    assert message.endswith(said)


def test_an_error_that_cannot_be_told_is_still_an_error():
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError

    def failing(first, last):
        raise SilentError

    message = judge(exercises.ALL["decades_lost"], failing).message
    assert message.endswith(" raised SilentError, in line 2: `raise SilentError`.")


def test_an_interrupt_stops_the_check():
    def interrupted(first, last):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(exercises.ALL["decades_lost"], interrupted)


def test_weights_left_out_is_recognised_although_unequal_widths_raise():
    def article(weights, pre_activations, delta):
        deltas = [delta]
        for z in reversed(pre_activations):
            deltas.insert(0, deltas[0] * (1 - torch.tanh(z) ** 2))
        return deltas

    verdict = judge(exercises.ALL["backward_deltas"], article)
    assert (verdict.status, verdict.misconception) == ("wrong", "weights left out")


@pytest.mark.parametrize(
    ("name", "function", "points"),
    [
        ("safe_norm", lambda values: values.norm(), [1, 0, 0]),
        ("safe_norm", lambda values: values.double().norm(), [1, 2, 0]),
        ("unchanged_share", lambda a, b: torch.isclose(a, b).double().mean(), [1, 0]),
        ("decades_lost", lambda first, last: max(0, math.log10(last / first)), [2, 0]),
        ("layers_until", lambda f, t: math.floor(math.log(t) / math.log(f)), [1, 0]),
    ],
)
def test_each_part_earns_its_own_points(name, function, points):
    verdict = judge(exercises.ALL[name], function)
    assert [part.points for part in verdict.parts] == points
    assert verdict.points == sum(points)
    assert f"({sum(points)} of {verdict.of} points)" in verdict.message


# The stub


@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_a_stub_is_not_attempted(exercise, capsys):
    calls = []

    def stub(*arguments):
        calls.append(arguments)
        raise NotImplementedError

    stub.__name__ = exercise.name
    assert exercises.check(stub) is None
    line = f"Exercise {exercise.number} · {exercise.name}: not attempted yet.\n"
    assert capsys.readouterr().out == line
    assert len(calls) == 1
    verdict = exercises.judge(stub)
    assert (verdict.status, verdict.points) == ("not attempted", 0)
    assert not any(part.points for part in verdict.parts)


def test_a_gap_later_on_is_an_error():
    def half_done(factor, target):
        if target < 0.5:
            raise NotImplementedError("later")
        return layers_by_multiplying(factor, target)

    verdict = judge(exercises.ALL["layers_until"], half_done)
    assert verdict.status == "error"
    assert "raised NotImplementedError: later, in line 3: `" in verdict.message


# What check accepts


def test_check_prints_the_verdict(capsys):
    def safe_norm(values):
        return norm_by_scaling(values)

    exercises.check(safe_norm)
    assert capsys.readouterr().out == "Exercise 2.1 · safe_norm: correct (5 of 5 points).\n"


def test_an_unknown_name_is_told_its_neighbour(capsys):
    def safe_nrom(values):
        return 0.0

    with pytest.raises(ValueError, match=r"named safe_nrom; did you mean 'safe_norm'\?$"):
        exercises.judge(safe_nrom)
    exercises.check(safe_nrom)
    assert capsys.readouterr().out == (
        "No exercise asks for a function named safe_nrom; did you mean 'safe_norm'?\n"
    )


class Standard:
    """An answer that is an object."""

    def __call__(self, negative_slope, fan_in):
        return (2 / fan_in) ** 0.5


@pytest.mark.parametrize(
    ("answer", "likely"),
    [
        (lambda x, depth: x, "sigmoid_chain_grad(x, depth)"),
        (lambda values: 0.0, "safe_norm(values)"),
        (partial(norm_by_scaling), "safe_norm(values)"),
        (partial(sigmoid_by_autograd), "sigmoid_chain_grad(x, depth)"),
        (Standard(), "leaky_std(negative_slope, fan_in)"),
    ],
)
def test_a_function_without_a_name_is_told_how_to_write_it(answer, likely, capsys):
    exercises.check(answer)
    out = " ".join(capsys.readouterr().out.split())
    assert out == (
        "Check finds the exercise by the function's name, and this one has none: write it as "
        f"`def {likely}:`, then check({likely.partition('(')[0]})."
    )


@pytest.mark.parametrize("thing", [torch.zeros(2), None, "safe_norm"])
def test_anything_but_a_function_is_refused(thing):
    with pytest.raises(TypeError, match=r"such as check\(\w+\), got a value of type"):
        exercises.judge(thing)


# Judging leaves no trace


def test_judging_leaves_the_random_states_as_they_were():
    def random_answer(first, last):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        return torch.rand(()) + np.random.rand() + random.random()

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    judge(exercises.ALL["decades_lost"], random_answer)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after


def test_the_seed_alone_draws_the_questions():
    torch.manual_seed(5)
    for exercise in ALL:
        same = [repr(one.arguments) for one in questions(exercise, 3)]
        assert same == [repr(one.arguments) for one in questions(exercise, 3)]
        assert same != [repr(one.arguments) for one in questions(exercise, 4)]


def test_a_function_that_changes_its_arguments_changes_copies():
    exercise = exercises.ALL["backward_deltas"]
    asked = questions(exercise)
    before = repr(asked)
    parts = (Part("both", 1, lambda rng: [question.arguments for question in asked]),)
    assert judge(replace(exercise, parts=parts), deltas_in_place).status == "correct"
    assert repr(asked) == before
    deltas_in_place(*asked[0].arguments.values())
    assert repr(asked) != before


# The specification


def plain(value):
    if isinstance(value, list | tuple):
        return all(plain(item) for item in value)
    return type(value) in {bool, int, float, str, np.ndarray, torch.Tensor, np.float64}


@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_a_specification_is_plain_and_whole(exercise):
    asked = questions(exercise)
    names = re.fullmatch(rf"{exercise.name}\((.+)\)", exercise.signature)[1].split(", ")
    for question in asked:
        assert list(question.arguments) == names
        assert all(plain(value) for value in question.arguments.values())
        assert plain(question.expected)
        assert all(plain(value) for value in question.wrong_answers.values())
    assert list(dict.fromkeys(question.part for question in asked)) == [
        part.name for part in exercise.parts
    ]
    assert len(signature(exercise.reference).parameters) == len(names)


@pytest.mark.slow
@pytest.mark.parametrize(("exercise", "misconception"), MISCONCEPTIONS, ids=name_of)
def test_every_misconception_differs_from_the_reference_and_the_others(exercise, misconception):
    for seed in SEEDS:
        asked = questions(exercise, seed)
        assert any(
            difference(
                one.wrong_answers[misconception.name], one.expected, exercise.rtol, exercise.atol
            )
            for one in asked
            if misconception.name in one.wrong_answers
        )
        for other in exercise.misconceptions:
            assert other is misconception or any(
                difference(
                    one.wrong_answers[misconception.name],
                    one.wrong_answers[other.name],
                    exercise.rtol,
                    exercise.atol,
                )
                for one in asked
                if {misconception.name, other.name} <= one.wrong_answers.keys()
            )


def test_numbers_follow_the_lessons():
    numbers = [tuple(map(int, exercise.number.split("."))) for exercise in ALL]
    assert numbers == sorted(numbers)
    lessons = {lesson for lesson, _ in numbers}
    expected = [(n, k + 1) for n in lessons for k in range([m for m, _ in numbers].count(n))]
    assert numbers == expected


def test_the_calibration_exercise_keeps_its_name_and_points():
    exercise = exercises.ALL["sigmoid_chain_grad"]
    assert [part.points for part in exercise.parts] == [2, 3]
    for question in questions(exercise, 7):
        if question.part == "one layer":
            assert question.arguments["depth"] == 1
            assert not question.arguments["x"].any()


@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_a_rubric_holds_what_marking_needs_and_nothing_that_runs(exercise):
    rubric = exercise.rubric
    assert (rubric.name, rubric.number, rubric.title) == (
        exercise.name,
        exercise.number,
        exercise.title,
    )
    assert rubric.points == sum(part.points for part in exercise.parts)
    assert list(rubric.hints) == [misconception.name for misconception in exercise.misconceptions]
    assert Rubric(**decoded(encoded(vars(rubric)))) == rubric
    assert "Other" not in repr(decoded(encoded(vars(rubric))))


def test_marking_needs_the_rubric_only():
    exercise = exercises.ALL["sigmoid_chain_grad"]
    asked = questions(exercise)
    rubric = exercise.rubric
    right = [Answer(question.expected) for question in asked]
    assert mark(rubric, asked, right).status == "correct"
    misconception = exercise.misconceptions[1]
    wrong = [Answer(question.wrong_answers[misconception.name]) for question in asked]
    assert mark(rubric, asked, wrong).misconception == misconception.name
    silent = [*right[:-1], Answer(failure="ran out of time")]
    assert mark(rubric, asked, silent).message.endswith("depth=6) ran out of time.")
    with pytest.raises(ValueError, match="11 questions need as many answers, got 10"):
        mark(rubric, asked, right[:-1])


def test_a_verdict_is_a_record():
    verdict = judge(exercises.ALL["decades_lost"], lambda first, last: 0.0)
    assert str(verdict) == verdict.message
    with pytest.raises(FrozenInstanceError):
        verdict.points = 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"parts": ()}, "needs parts, each worth at least one point"),
        ({"parts": (Part("free", 0, lambda rng: []),)}, "each worth at least one point"),
        ({"misconceptions": ()}, "needs at least three misconceptions"),
        (
            {"misconceptions": (Misconception("same", lambda: 0, "Hint."),) * 3},
            "uses a name twice",
        ),
        (
            {"compare": "by eye"},
            "'by eye' is not known; choose from entries, statistics, predictions",
        ),
    ],
)
def test_a_specification_that_cannot_judge_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(exercises.ALL["safe_norm"], **changes)


def test_the_best_of_several_explanations_is_given():
    def cases(rng):
        return [{"x": 1}, {"x": 2}]

    def misconception(name, *answers):
        return Misconception(name, lambda x: answers[x - 1], f"{name} hint.")

    exercise = Exercise(
        name="double",
        number="9.9",
        title="Twice",
        signature="double(x)",
        parts=(Part("all", 1, cases),),
        reference=lambda x: 2 * x,
        misconceptions=(
            misconception("far", 7, 5),
            misconception("near", 2, 5),
            misconception("partly", None, 6),
        ),
    )
    assert judge(exercise, lambda x: [2, 5][x - 1]).misconception == "near"
    assert judge(exercise, lambda x: [7, 5][x - 1]).misconception == "far"
    assert judge(exercise, lambda x: [9, 6][x - 1]).misconception == "partly"
    assert judge(exercise, lambda x: [9, 4][x - 1]).misconception is None
    assert judge(exercise, lambda x: [9, 5][x - 1]).misconception is None


# The comparison


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (1, 1.0),
        (np.float32(0.1), 0.1),
        (np.int64(3), 3),
        (torch.tensor(0.1, dtype=torch.bfloat16), 0.1001),
        (torch.nn.Parameter(torch.ones(2)), np.ones(2)),
        ([[1, 2.0], (3, np.float64(4))], torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
        ((1, 2), [1.0, 2.0]),
        ({"b": [1.0], "a": "text"}, {"a": "text", "b": [1]}),
        (math.inf, math.inf),
        (torch.tensor([1.0, -math.inf]), np.array([1.0, -math.inf])),
        (-0.0, 0.0),
        (1e-200, 1.00001e-200),
    ],
)
def test_equal_answers_do_not_differ(answer, expected):
    assert difference(answer, expected, rtol=1e-3) is None


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (0.25, 0.3, "0.25; expected 0.3."),
        (0.30001, 0.3, "0.30001; expected 0.3."),
        (math.nan, 0.3, "NaN; expected 0.3."),
        (math.nan, math.inf, "NaN; expected inf."),
        (5.0, math.inf, "5; expected inf."),
        (math.inf, 5.0, "inf; expected 5."),
        (0.0, 2e-200, "0; expected 2e-200."),
        (True, 1.0, "a value of type bool; expected one number."),
        (torch.tensor([True]), [1.0], "a bool tensor of shape (1,); expected a list of 1."),
        (torch.tensor([True]), np.ones(1), "a bool tensor of shape (1,); expected a tensor of"),
        (np.ones((2, 1)), np.ones(2), "an array of shape (2, 1); expected a tensor of shape (2,)."),
        (np.ones(2), np.zeros(2), "array([1., 1.]); expected array([0., 0.])."),
        (np.ones(20), np.eye(20)[3], "an array of shape (20,) with 1 at [0]; expected 0 there."),
        (1 + 0j, 1.0, "a value of type complex; expected one number."),
        (None, 1.0, "None; expected one number."),
        ("yes", "no", "'yes'; expected 'no'."),
        (1, "no", "the number 1; expected 'no'."),
        ([1, 2], [1, 2, 3], "a list of 2; expected a list of 3."),
        (3.0, [1, 2], "the number 3; expected a list of 2."),
        ([1, [2]], [1, 2], "a list whose item 1 is a list of 1; expected one number."),
        ({"a": 1}, {"b": 1}, "a dict with the keys a; expected b."),
        ({1: 1}, {"b": 1}, "a value of type dict; expected a dict with the keys b."),
        ({"b": 2}, {"b": 1}, "a dict whose b is 2; expected 1."),
    ],
)
def test_a_difference_is_told(answer, expected, words):
    assert difference(answer, expected, rtol=1e-6).startswith(words)


def test_an_answer_that_holds_itself_is_no_answer():
    endless = []
    endless.extend([endless, endless])
    for expected in (np.ones((2, 2)), [1.0, 1.0], "text", {"a": 1}):
        assert difference(endless, expected).startswith("a list")


def test_an_expected_answer_must_be_plain():
    with pytest.raises(TypeError, match="expected must be plain numbers"):
        difference(1, True)


# One call


def test_a_call_takes_plain_data_and_leaves_the_arguments_alone():
    given = [torch.ones(2), [1.0, 2.0]]

    def changing(x, numbers):
        numbers.clear()
        return {"sum": x.add_(1), "rest": {1, 2}}

    answer = call(changing, given, first=True)
    assert answer.value["sum"].tolist() == [2, 2]
    assert answer.value["rest"] == Other("set")
    assert given[0].tolist() == [1, 1]
    assert given[1] == [1.0, 2.0]


def test_a_call_takes_its_answer_at_once():
    kept = []

    def growing(x):
        kept.append(x)
        return kept

    first = call(growing, [1.0], first=True)
    call(growing, [2.0], first=False)
    assert first == Answer([1.0])


def test_only_the_first_call_may_be_a_stub():
    def stub():
        raise NotImplementedError("later")

    assert call(stub, [], first=True) == Answer(attempted=False)
    assert call(stub, [], first=False) == Answer(
        failure='raised NotImplementedError: later, in line 2: `raise NotImplementedError("later")`'
    )
    assert call(eval("lambda: 1 / 0"), [], first=True).failure == (
        "raised ZeroDivisionError: division by zero, in line 1"
    )


def test_an_answer_too_large_to_be_sent_is_a_failure():
    assert "too large to be sent" in call(lambda: [0] * 20_000, [], first=True).failure


# An answer that was sent is marked as the answer itself


class OwnTensor(torch.Tensor):
    """A tensor as a learner might subclass it."""


def endless():
    inside = []
    inside.append(inside)
    return inside


ODD = {
    "nothing": None,
    "a set": {1.0, 2.0},
    "a model": nn.Linear(2, 2),
    "a Python module": math,
    "a class": Exercise,
    "a tensor subclass": torch.ones(2).as_subclass(OwnTensor),
    "a parameter": nn.Parameter(torch.ones(1)),
    "truths": torch.tensor([True]),
    "one truth": np.bool_(True),
    "complex numbers": torch.ones(1, dtype=torch.complex64),
    "a complex array": np.ones(1, dtype=np.complex128),
    "a complex number": 1j,
    "bfloat16": torch.ones(1, dtype=torch.bfloat16),
    "a list that holds itself": endless(),
    "a huge integer": 10**400,
    "a large integer": 10**300,
    "NaN": math.nan,
    "infinity": torch.tensor([-math.inf]),
    "keys that are no text": {1: 1.0},
    "a dict": {"a": [1.0]},
    "a tuple": (1.0, "two"),
    "a text": "line\nline",
    "a view": torch.ones(3, 4).T[1:],
    "an empty tensor": torch.empty(0, 3),
    "half precision": np.float16(0.5),
    "nested": [[1.0, [None]], {"deep": ({1, 2},)}],
}


def marked_either_way(exercise, asked, answers, hidden):
    sent = [answer._replace(value=decoded(encoded(answer.value))) for answer in answers]
    verdict = mark(exercise.rubric, asked, answers, hidden=hidden)
    assert mark(exercise.rubric, asked, sent, hidden=hidden) == verdict
    return verdict


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_an_odd_answer_is_marked_alike_when_it_was_sent(exercise, hidden):
    asked = questions(exercise)
    for odd in ODD.values():
        for expected in (odd, [odd, odd]):
            verdict = marked_either_way(exercise, asked, [Answer(expected)] * len(asked), hidden)
            assert verdict.status == "wrong"
            assert "Other" not in verdict.message


@pytest.mark.parametrize(("name", "function"), SOLUTIONS)
def test_a_right_answer_is_marked_alike_when_it_was_sent(name, function):
    exercise = exercises.ALL[name]
    asked = questions(exercise)
    answers = [Answer(function(*decoded(encoded(list(one.arguments.values()))))) for one in asked]
    assert marked_either_way(exercise, asked, answers, hidden=False).status == "correct"


@pytest.mark.parametrize(("exercise", "misconception"), MISCONCEPTIONS, ids=name_of)
def test_a_misconception_is_marked_alike_when_it_was_sent(exercise, misconception):
    asked = questions(exercise)
    answers = [Answer(misconception.answer(*one.arguments.values())) for one in asked]
    assert (
        marked_either_way(exercise, asked, answers, hidden=False).misconception
        == misconception.name
    )


# A message that keeps the numbers to itself


def hidden_verdict(exercise, function, seed):
    asked = questions(exercise, seed)
    answers = [
        call(function, list(one.arguments.values()), first=not index)
        for index, one in enumerate(asked)
    ]
    return mark(exercise.rubric, asked, answers, hidden=True)


def numbers_in(text):
    """Return the numbers with three digits or more in a text."""
    found = re.findall(r"\d[\d.]*", text)
    return {one for one in found if sum(map(str.isdigit, one)) >= 3}


def told(exercise, verdict):
    """Return what a hidden message tells, without what is the same for everybody."""
    start = f"Exercise {exercise.number} · {exercise.name}: not yet "
    assert verdict.message.startswith(start)
    words = verdict.message[len(start) :]
    for part in exercise.parts:
        words = words.replace(f"Part {part.name!r}: ", "")
    for hint in exercise.rubric.hints.values():
        words = words.replace(hint, "")
    return words


@pytest.mark.slow
@pytest.mark.parametrize(("exercise", "misconception"), MISCONCEPTIONS, ids=name_of)
def test_a_hidden_misconception_earns_its_hint_and_no_number(exercise, misconception):
    for seed in SEEDS:
        verdict = hidden_verdict(exercise, misconception.answer, seed)
        assert verdict.misconception == misconception.name
        assert verdict.message.endswith(misconception.hint)
        assert re.search(r" points\)\. Part '.+': \w+\(.+\) (returned|raised) ", verdict.message)
        assert not numbers_in(told(exercise, verdict))
        open_verdict = judge(exercise, misconception.answer, seed)
        assert (verdict.parts, verdict.status) == (open_verdict.parts, open_verdict.status)


@pytest.mark.slow
@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_no_wrong_answer_learns_a_hidden_number(exercise):
    def repeated(*arguments):
        raise ValueError(repr(arguments))

    def named_after_them(*arguments):
        raise type(f"Error{arguments!r}", (Exception,), {})("x")

    def typed_after_them(*arguments):
        return type(f"Value{arguments!r}", (), {})()

    def late(wrong):
        """Answer wrongly only when there is a number to be told."""
        return lambda *arguments: (
            wrong(*arguments) if numbers_in(repr(arguments)) else exercise.reference(*arguments)
        )

    functions = [returning(exercise, change) for change in WRONG.values()]
    functions += [repeated, named_after_them, typed_after_them]
    functions += [lambda *arguments: {repr(arguments): 1.0}, lambda *arguments: repr(arguments)]
    for seed in range(3):
        for function in map(late, functions):
            verdict = hidden_verdict(exercise, function, seed)
            assert not numbers_in(told(exercise, verdict)), verdict.message
            assert len(verdict.message) < 1000
        assert numbers_in(judge(exercise, late(repeated), seed).message)


NUMBERS = st.one_of(
    st.integers(100, 10**9), st.floats(0.101, 0.999), st.just(math.nan), st.just(-1234.5)
)
VALUES = st.recursive(
    st.one_of(
        NUMBERS,
        st.lists(NUMBERS, min_size=1, max_size=12).map(torch.tensor),
        NUMBERS.map(lambda number: f"text {number}"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(NUMBERS.map(str), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(arguments=st.dictionaries(st.sampled_from("abc"), VALUES), answer=VALUES, expected=VALUES)
def test_a_hidden_message_holds_no_number_whatever_is_compared(arguments, answer, expected):
    rubric = Rubric("f", "9.9", "Any", "f(a)", (("all", 1),), {"misconception": "The hint."})
    asked = [Question("all", arguments, expected, {"misconception": answer})]
    verdict = mark(rubric, asked, [Answer(answer)], hidden=True)
    assert not numbers_in(verdict.message.removeprefix("Exercise 9.9")), verdict.message


def test_a_hidden_message_says_of_what_kind_things_were():
    def hidden(name, function):
        return hidden_verdict(exercises.ALL[name], function, 5).message.split("f 5 points). ")[-1]

    def leaking(x, depth):
        raise ValueError(f"depth {depth + 120} at\x1b[31m \u0667" + "x" * 200)

    first = "Part 'one layer': sigmoid_chain_grad(x=a tensor of shape (1,), depth=an integer) "
    assert hidden("sigmoid_chain_grad", lambda x, depth: torch.full_like(x, 0.3)).startswith(
        first + "returned a tensor of shape (1,) with other numbers than expected. Your function"
    )
    assert hidden("sigmoid_chain_grad", lambda x, depth: x / 0).startswith(
        first + "returned a tensor of shape (1,) with NaN in it. For some inputs"
    )
    assert hidden("sigmoid_chain_grad", lambda x, depth: 0.25 * depth) == (
        first + "returned a number; expected a tensor of shape (1,)."
    )
    assert hidden("sigmoid_chain_grad", lambda x, depth: None) == (
        first + "returned None: did you forget `return`, or did no branch apply?"
    )
    assert hidden("sigmoid_chain_grad", leaking) == (
        first + f"raised ValueError: depth ### at?[##m #{'x' * 61}."
    )
    assert hidden("backward_deltas", lambda weights, z, delta: [delta] * 4) == (
        "Part 'one step': backward_deltas(weights=a list of 1, pre_activations=a list of 1, "
        "delta=a tensor of shape (1, 1)) returned a list of 4; expected a list of 2."
    )
    assert hidden("safe_norm", lambda values: "5") == (
        "Part 'ordinary values': safe_norm(values=a tensor of shape (2,)) "
        "returned a value of type str; expected one number."
    )
    assert "norm='layer') returned" in hidden("layer_factor", lambda *arguments: 0.5)


def test_a_hidden_message_says_of_what_kind_every_argument_was():
    rubric = Rubric("f", "9.9", "Any", "f(a)", (("all", 1),), {})
    arguments = {"a": True, "b": {"c": 1}, "d": "seed 7", "e": "batch", "f": 7, "g": 0.5, "h": None}
    message = mark(
        rubric, [Question("all", arguments, 1.0, {})], [Answer(2.0)], hidden=True
    ).message
    assert message.endswith(
        "f(a=True or False, b=a dict, d=a text, e='batch', f=an integer, g=a number, h=None) "
        "returned a number other than expected."
    )


def test_hidden_changes_only_the_message():
    exercise = exercises.ALL["sigmoid_chain_grad"]
    asked = questions(exercise)
    right = [Answer(question.expected) for question in asked]
    assert mark(exercise.rubric, asked, right, hidden=True) == mark(exercise.rubric, asked, right)
    stub = [Answer(attempted=False)]
    assert mark(exercise.rubric, asked, stub, hidden=True) == mark(exercise.rubric, asked, stub)


# An answer that is a model


class Residual(nn.Module):
    """x + tanh(Wx + b), as the reference."""

    def __init__(self, width, skip=lambda x: x, activation=torch.tanh):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.skip, self.activation = skip, activation

    def forward(self, x):
        return self.skip(x) + self.activation(self.linear(x))


class ByHand(nn.Module):
    """The same without a layer, in float64."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, width, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(width, dtype=torch.float64))

    def forward(self, x):
        x *= 1  # a model may change its inputs in place
        e = torch.exp(2 * functional.linear(x, self.weight, self.bias))
        return x + (e - 1) / (e + 1)


def residual_probe(rng, module):
    def normal(*shape):
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    width = module.linear.in_features
    return ModelProbe(
        weights=[normal(*one.shape) for one in module.parameters()],
        inputs=normal(4, width),
        direction=normal(4, width),
    )


RESIDUAL = Exercise(
    name="residual",
    number="9.1",
    title="A residual block",
    signature="residual(width)",
    parts=(
        Part("one unit", 1, lambda rng: [{"width": 1}]),
        Part("more units", 2, lambda rng: [{"width": int(rng.integers(3, 6))}]),
    ),
    reference=Residual,
    misconceptions=(
        Misconception("no skip", lambda width: Residual(width, torch.zeros_like), "Add x."),
        Misconception(
            "activation left out", lambda width: Residual(width, activation=lambda z: z), "Bend."
        ),
        Misconception("too wide", lambda width: Residual(width + 1), "Mind the width."),
    ),
    atol=1e-5,
    model_probe=residual_probe,
)


def model_message(function, hidden=False):
    asked = questions(RESIDUAL)
    answers = [
        call(function, list(one.arguments.values()), first=False, model_probe=one.model_probe)
        for one in asked
    ]
    return mark(RESIDUAL.rubric, asked, answers, hidden=hidden).message.split("points). ")[-1]


@pytest.mark.parametrize("answer", [Residual, ByHand, lambda width: Residual(width).double()])
def test_a_right_model_is_correct_whatever_its_style(answer):
    for seed in SEEDS:
        assert judge(RESIDUAL, answer, seed).status == "correct"
    question = questions(RESIDUAL)[-1]
    with torch.no_grad():  # as a learner may have left it
        found = probe_model(answer(question.arguments["width"]), question.model_probe)
    assert not difference(found["input gradient"], question.expected["input gradient"], atol=1e-5)


def test_the_gradients_of_a_model_probe_are_the_derivatives():
    question = questions(RESIDUAL)[-1]
    weight, bias = (one.double().numpy() for one in question.model_probe.weights)
    x, direction = (
        question.model_probe.inputs.double().numpy(),
        question.model_probe.direction.double().numpy(),
    )
    h = np.tanh(x @ weight.T + bias)
    back = direction * (1 - h**2)
    found = question.expected
    np.testing.assert_allclose(found["outputs"], x + h, atol=1e-5)
    np.testing.assert_allclose(found["input gradient"], direction + back @ weight, atol=1e-5)
    np.testing.assert_allclose(found["parameter gradients"][0], back.T @ x, atol=1e-5)
    np.testing.assert_allclose(found["parameter gradients"][1], back.sum(0), atol=1e-5)
    assert found["parameter shapes"] == [list(weight.shape), list(bias.shape)]


def test_a_detached_skip_is_told_although_its_outputs_are_right():
    def detached(width):
        return Residual(width, lambda x: x.detach())

    verdict = judge(RESIDUAL, detached)
    assert (verdict.status, verdict.points, verdict.misconception) == ("wrong", 0, None)
    assert "residual(width=1) returned a model whose input gradient is tensor([[" in verdict.message
    assert model_message(detached, hidden=True) == (
        "Part 'one unit': residual(width=an integer) returned a model whose input gradient is "
        "a tensor of shape (4, 1) with other numbers than expected."
    )


def frozen(width):
    block = Residual(width)
    block.linear.bias.requires_grad_(False)
    return block


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda width: nn.Linear(width, width, bias=False), "with parameters of shapes (1, 1); "),
        (lambda width: nn.Tanh(), "with no parameters; expected parameters of shapes (1, 1), (1,)"),
        (lambda width: Residual(width, lambda x: torch.zeros(4, 2)), "whose outputs are a tensor"),
        (frozen, "whose parameter gradients are a list whose item 1 is tensor([0.]); expected"),
    ],
)
def test_a_wrong_model_is_told(answer, words):
    assert words in model_message(answer)
    assert judge(RESIDUAL, answer).points == 0
    assert not numbers_in(model_message(answer, hidden=True))


class Pair(nn.Linear):
    """Returns two outputs."""

    def forward(self, x):
        return x, x


class Cut(nn.Linear):
    """Returns outputs that lead nowhere back."""

    def forward(self, x):
        return super().forward(x).detach()


def test_a_model_that_cannot_be_differentiated_is_told():
    assert "outputs are a tuple of 2; expected a tensor of shape (4, 1)." in model_message(
        lambda width: Pair(width, width)
    )
    probe = questions(RESIDUAL)[-1].model_probe
    found = probe_model(Cut(*probe.weights[0].shape), probe)
    assert not any(one.any() for one in [found["input gradient"], *found["parameter gradients"]])
    assert model_message(lambda width: nn.Module()).startswith("Smallest")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda width: None, "returned None: did you forget `return`, or did no branch apply?"),
        (lambda width: torch.ones(2), "returned a tensor of shape (2,); expected a model."),
        (lambda width: Residual, "returned a value of type type; expected a model."),
        (lambda width: {"outputs": 1.0}, "returned a value of type dict; expected a model."),
        (lambda width: Residual(width, lambda x: x + "1"), "raised TypeError: "),
    ],
)
def test_an_answer_that_is_no_model_is_told(answer, words):
    assert words in model_message(answer)
    assert words in model_message(answer, hidden=True)


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"parameter shapes": "none"},
        {"parameter shapes": [["x"]]},
        {"parameter shapes": [[1, 1], [1]]},
        {"parameter shapes": [[1, 1], [1]], "outputs": {"a": 1}},
    ],
)
def test_a_forged_model_earns_nothing(forged):
    asked = questions(RESIDUAL)
    assert mark(RESIDUAL.rubric, asked, [Answer(forged)] * len(asked)).points == 0


@pytest.mark.parametrize("misconception", RESIDUAL.misconceptions, ids=name_of)
def test_a_model_earns_the_hint_of_its_misconception(misconception):
    for seed in SEEDS:
        verdict = judge(RESIDUAL, misconception.answer, seed)
        assert verdict.misconception == misconception.name
        assert verdict.message.endswith(misconception.hint)


def test_a_stub_of_a_model_is_not_attempted():
    class Stub(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.linear = nn.Linear(width, width)

        def forward(self, x):
            raise NotImplementedError

    assert judge(RESIDUAL, Stub).status == "not attempted"


# An answer that is drawn at random


def he_normal(fan_out, fan_in, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(fan_out, fan_in, generator=generator) * math.sqrt(2 / fan_in)


def he_uniform(fan_out, fan_in):
    rng = np.random.default_rng(1)
    return rng.uniform(-1, 1, size=(fan_out, fan_in)) * math.sqrt(6 / fan_in)


HE = Exercise(
    name="he_weights",
    number="9.2",
    title="He's initial weights",
    signature="he_weights(fan_out, fan_in)",
    parts=(
        Part("square", 1, lambda rng: [{"fan_out": 50, "fan_in": 50}]),
        Part(
            "any shape",
            2,
            lambda rng: [{"fan_out": int(rng.integers(20, 40)), "fan_in": 100}],
        ),
        Part("wide", 1, lambda rng: [{"fan_out": 300, "fan_in": int(rng.integers(10, 20))}]),
    ),
    reference=he_normal,
    misconceptions=(
        Misconception(
            "half the variance", lambda out, into: he_normal(out, into, math.sqrt(0.5), 2), "Twice."
        ),
        Misconception("uniform", he_uniform, "Bell-shaped."),
        Misconception("all zero", lambda out, into: torch.zeros(out, into), "Draw."),
    ),
    compare="statistics",
)


@pytest.mark.parametrize(
    "answer",
    [
        lambda out, into: torch.randn(out, into) * (2 / into) ** 0.5,
        lambda out, into: nn.init.kaiming_normal_(torch.empty(out, into)),
        lambda out, into: np.random.default_rng().normal(0, math.sqrt(2 / into), (out, into)),
    ],
)
def test_a_right_initialiser_is_correct_whatever_it_draws(answer):
    for seed in range(60):
        verdict = judge(HE, answer, seed)
        assert verdict.status == "correct", verdict.message


WRONG_DRAWS = {
    "sqrt(2) too wide": lambda out, into: math.sqrt(2) * torch.randn(out, into) * (2 / into) ** 0.5,
    "shifted": lambda out, into: (1 + torch.randn(out, into)) * (2 / into) ** 0.5,
    "rows repeated": lambda out, into: torch.randn(1, into).repeat(out, 1) * (2 / into) ** 0.5,
    "a sign": lambda out, into: torch.randn(out, into).sign() * (2 / into) ** 0.5,
    "NaN": lambda out, into: torch.full((out, into), math.nan),
    "infinity": lambda out, into: torch.full((out, into), math.inf),
    "huge": lambda out, into: torch.randn(out, into, dtype=torch.float64) * 1e200,
    "transposed": lambda out, into: torch.randn(into + 1, out) * (2 / into) ** 0.5,
}


@pytest.mark.parametrize("answer", WRONG_DRAWS.values(), ids=WRONG_DRAWS)
def test_a_wrong_initialiser_is_wrong_on_every_shape(answer):
    for seed in range(20):
        asked = questions(HE, seed)
        answers = [Answer(answer(*one.arguments.values())) for one in asked]
        assert mark(HE.rubric, asked, answers).points == 0
        message = mark(HE.rubric, asked, answers, hidden=True).message
        assert not re.search(r"\d\.\d", message.split(": ", 1)[1])


@pytest.mark.parametrize("misconception", HE.misconceptions, ids=name_of)
def test_an_initialiser_earns_the_hint_of_its_misconception(misconception):
    def drawn_anew(out, into):
        if misconception.name == "uniform":
            return (torch.rand(out, into) * 2 - 1) * (6 / into) ** 0.5
        return torch.randn(out, into) * into**-0.5 * (misconception.name != "all zero")

    for seed in range(20):
        for answer in (misconception.answer, drawn_anew):
            verdict = judge(HE, answer, seed)
            assert (verdict.misconception, verdict.points) == (misconception.name, 0)


def test_orthogonal_rows_are_told_from_independent_ones():
    def orthogonal(out, into):
        return nn.init.orthogonal_(torch.empty(out, into)) * (2 * max(out, into) / into) ** 0.5

    for seed in range(20):
        verdict = judge(HE, orthogonal, seed)
        assert verdict.parts[0].points == 0
        assert "with the spread of the singular values 1; expected about 2" in verdict.message


def test_a_wrong_statistic_is_named():
    wide = difference(he_normal(50, 50, math.sqrt(2), 3), he_normal(50, 50), compare="statistics")
    assert re.fullmatch(
        r"a tensor of shape \(50, 50\) with the standard deviation 0\.2[789]\d; "
        r"expected about 0\.(20\d|2)\.",
        wide,
    )
    assert "the mean 1; expected about" in difference(
        he_normal(50, 50) + 1, he_normal(50, 50), compare="statistics"
    )
    assert difference([1.0, 1.0], [1.0, 1.0], compare="statistics") is None
    assert difference([1.0, 1.1], [1.0, 1.0], compare="statistics")


# An answer that predicts


def xor(points):
    return (points[:, 0] * points[:, 1] > 0).long()


def prediction_cases(rng):
    points, asked = (torch.from_numpy(rng.normal(size=(n, 2))).float() for n in (400, 200))
    return [{"points": points, "labels": xor(points), "asked": asked}]


def nearest(points, labels, asked):
    return labels[torch.cdist(asked, points).argmin(1)]


def regression(points, labels, asked):
    def features(x):
        return np.stack([x[:, 0] * x[:, 1], np.ones(len(x))], axis=1)

    target = 2.0 * labels.numpy() - 1
    weights = np.linalg.lstsq(features(points.numpy()), target, rcond=None)[0]
    return (features(asked.numpy()) @ weights > -0.01).astype(np.float32)


PREDICT = Exercise(
    name="predict",
    number="9.3",
    title="Predict labels",
    signature="predict(points, labels, asked)",
    parts=(Part("hidden points", 4, prediction_cases),),
    reference=lambda points, labels, asked: xor(asked),
    misconceptions=(
        Misconception("inverted", lambda points, labels, asked: 1 - xor(asked), "Turn round."),
        Misconception("always 0", lambda points, labels, asked: torch.zeros(len(asked)), "Look."),
        Misconception(
            "one coordinate", lambda points, labels, asked: (asked[:, 0] > 0).long(), "Both."
        ),
    ),
    rtol=0.1,
    compare="predictions",
)


@pytest.mark.parametrize("answer", [nearest, regression])
def test_predictions_need_not_all_be_right(answer):
    for seed in SEEDS:
        question = questions(PREDICT, seed)[0]
        assert not np.array_equal(answer(*question.arguments.values()), question.expected)
        assert judge(PREDICT, answer, seed).status == "correct"


@pytest.mark.parametrize("misconception", PREDICT.misconceptions, ids=name_of)
def test_predictions_earn_the_hint_of_their_misconception(misconception):
    assert judge(PREDICT, misconception.answer).misconception == misconception.name


def test_too_few_right_predictions_are_told():
    expected = torch.arange(200) % 3
    assert difference(expected, expected, 0.1, compare="predictions") is None
    for wrong, words in ((20, None), (21, "89.5 % are right; expected at least 90 %.")):
        answer = expected.clone()
        answer[:wrong] += 1
        found = difference(answer, expected, 0.1, compare="predictions")
        assert found == (words and f"a tensor of shape (200,) of which {words}")
    assert "bool tensor" in difference(expected > 0, expected, 0.1, compare="predictions")
    asked = questions(PREDICT)
    coin = Answer(torch.arange(200) % 2)
    message = mark(PREDICT.rubric, asked, [coin], hidden=True).message
    assert message.endswith("a tensor of shape (200,) of which fewer than 90 % are right.")
    assert "labels=a tensor of shape (400,)" in message
