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

from helpers import exercises
from helpers.exercises.specification import (
    Answer,
    Exercise,
    Misconception,
    Part,
    difference,
    judge,
    mark,
)

ALL = list(exercises.ALL.values())
SEEDS = range(8)
SLIPS = [(exercise, slip) for exercise in ALL for slip in exercise.misconceptions]


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
    largest = values.abs().max()
    return largest * (values / largest).norm() if largest > 0 else 0.0


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


@pytest.mark.parametrize(("exercise", "slip"), SLIPS, ids=name_of)
def test_a_misconception_earns_exactly_its_own_hint(exercise, slip):
    for seed in SEEDS:
        verdict = judge(exercise, slip.answer, seed)
        assert verdict.status == "wrong"
        assert verdict.misconception == slip.name
        assert verdict.points < verdict.of
        assert verdict.message.endswith(f" of {verdict.of} points). {slip.hint}")
        assert ": not yet (" in verdict.message


# These ask for numbers that float32 does not hold, or not to the digits that tell answers apart.
BEYOND_FLOAT32 = {"safe_norm", "norm_per_layer"}


@pytest.mark.parametrize(
    ("exercise", "slip"),
    [pair for pair in SLIPS if pair[0].name not in BEYOND_FLOAT32],
    ids=name_of,
)
def test_a_misconception_in_float32_is_recognised_too(exercise, slip):
    def answer(*arguments):
        to_float32 = partial(torch.as_tensor, dtype=torch.float32)
        wrong = slip.answer(*arguments)
        return wrong if wrong is None else everywhere(to_float32, wrong)

    assert judge(exercise, answer).misconception == slip.name


@pytest.mark.parametrize("exercise", ALL, ids=name_of)
def test_hints_do_not_give_the_answer_away(exercise):
    for slip in exercise.misconceptions:
        assert not re.search(r"[=*/^@+\[\]]|\breturn\b|\w\(|torch\.|math\.|np\.", slip.hint)
        assert 40 < len(slip.hint) < 200
        assert slip.hint[0].isupper()
        assert slip.hint[-1] in ".?"


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
    assert verdict.misconception is None
    call = rf"{exercise.name}\([^\n]*\)"
    assert re.search(rf"Smallest failing input: {call} returned .*\.$|`return`\?$", verdict.message)
    assert len(verdict.message) < 500


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
    assert chain(lambda x, depth: None) == first + "returned None: did you forget `return`?"
    assert (
        chain(lambda x, depth: depth / 0) == first + "raised ZeroDivisionError: division by zero."
    )
    assert (
        chain(lambda x, depth: torch.full_like(x, math.nan))
        == first + "returned a tensor of shape (1,) with NaN at [0]; expected 0.25 there."
    )
    assert (
        chain(lambda x, depth: 0.25)
        == first + "returned the number 0.25; expected a tensor of shape (1,)."
    )
    assert chain(lambda x, depth: [0.5]) == first + "returned [0.5]; expected [0.25]."
    assert chain(lambda x: x).startswith(first + "raised TypeError: ")
    assert chain(lambda x, depth: torch.full_like(x, 0.25)) == (
        "Smallest failing input: sigmoid_chain_grad(x=tensor([0.]), depth=2) "
        "returned tensor([0.25]); expected tensor([0.0588])."
    )
    assert by_name("safe_norm")(lambda values: values / 0) == (
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
        "AttributeError: 'Tensor' object has no attribute 'no_such_thing'."
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError(), "raised ValueError."),
        (ValueError("first\nsecond"), "raised ValueError: first."),
        (ValueError("x" * 5000), f"raised ValueError: {'x' * 200}."),
        (RecursionError("too deep."), "raised RecursionError: too deep."),
    ],
)
def test_an_error_is_told_in_one_line(error, words):
    def failing(first, last):
        raise error

    message = judge(exercises.ALL["decades_lost"], failing).message
    assert message.endswith(f"decades_lost(first=0.01, last=1) {words}")


def test_an_error_that_cannot_be_told_is_still_an_error():
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError

    def failing(first, last):
        raise SilentError

    message = judge(exercises.ALL["decades_lost"], failing).message
    assert message.endswith(" raised SilentError.")


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
    assert "raised NotImplementedError: later." in verdict.message


# What check accepts


def test_check_prints_the_verdict(capsys):
    def safe_norm(values):
        return norm_by_scaling(values)

    exercises.check(safe_norm)
    assert capsys.readouterr().out == "Exercise 2.1 · safe_norm: correct (5 of 5 points).\n"


def test_an_unknown_name_is_told_its_neighbours():
    def safe_nrom(values):
        return 0.0

    with pytest.raises(ValueError, match=r"named safe_nrom; did you mean safe_norm\?$"):
        exercises.check(safe_nrom)
    with pytest.raises(ValueError, match="named <lambda>; there are decades_lost, layers_until"):
        exercises.check(lambda x: x)


@pytest.mark.parametrize("thing", [torch.zeros(2), None, "safe_norm", partial(norm_by_scaling)])
def test_anything_but_a_function_is_refused(thing):
    with pytest.raises(
        TypeError, match=r"such as check\(sigmoid_chain_grad\), got a value of type"
    ):
        exercises.check(thing)


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
        assert all(plain(value) for value in question.slips.values())
    assert list(dict.fromkeys(question.part for question in asked)) == [
        part.name for part in exercise.parts
    ]
    assert len(signature(exercise.reference).parameters) == len(names)


@pytest.mark.parametrize(("exercise", "slip"), SLIPS, ids=name_of)
def test_every_misconception_differs_from_the_reference_and_the_others(exercise, slip):
    for seed in SEEDS:
        asked = questions(exercise, seed)
        assert any(
            difference(one.slips[slip.name], one.expected, exercise.rtol, exercise.atol)
            for one in asked
            if slip.name in one.slips
        )
        for other in exercise.misconceptions:
            assert other is slip or any(
                difference(
                    one.slips[slip.name], one.slips[other.name], exercise.rtol, exercise.atol
                )
                for one in asked
                if {slip.name, other.name} <= one.slips.keys()
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


def test_marking_needs_neither_reference_nor_misconceptions_to_run():
    def missing(*arguments):
        raise AssertionError("called")

    exercise = exercises.ALL["sigmoid_chain_grad"]
    asked = questions(exercise)
    bare = replace(
        exercise,
        reference=missing,
        parts=tuple(replace(part, cases=missing) for part in exercise.parts),
        misconceptions=tuple(replace(slip, answer=missing) for slip in exercise.misconceptions),
    )
    right = [Answer(question.expected) for question in asked]
    assert mark(bare, asked, right).status == "correct"
    slip = exercise.misconceptions[1]
    wrong = [Answer(question.slips[slip.name]) for question in asked]
    assert mark(bare, asked, wrong).misconception == slip.name
    silent = [*right[:-1], Answer(failure="ran out of time")]
    assert mark(bare, asked, silent).message.endswith("depth=6) ran out of time.")
    with pytest.raises(ValueError, match="11 questions need as many answers, got 10"):
        mark(bare, asked, right[:-1])


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
    ],
)
def test_a_specification_that_cannot_judge_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(exercises.ALL["safe_norm"], **changes)


def test_the_best_of_several_explanations_is_given():
    def cases(rng):
        return [{"x": 1}, {"x": 2}]

    def slip(name, *answers):
        return Misconception(name, lambda x: answers[x - 1], f"{name} hint.")

    exercise = Exercise(
        name="double",
        number="9.9",
        title="Twice",
        signature="double(x)",
        parts=(Part("all", 1, cases),),
        reference=lambda x: 2 * x,
        misconceptions=(slip("far", 7, 5), slip("near", 2, 5), slip("partly", None, 6)),
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
