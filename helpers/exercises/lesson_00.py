"""Exercise of lesson 00: how much gradient is lost, in decades."""

import math

import numpy as np

from helpers.exercises.specification import Exercise, Misconception, Part, three_digits


def _vanishing(rng: np.random.Generator) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = [{"first": 0.01, "last": 1.0}]
    for decades in (1, 4, 12, 25):
        last = three_digits(rng.uniform(0.1, 9.0))
        cases.append({"first": three_digits(last * 10 ** -(decades + rng.uniform())), "last": last})
    return cases


def _no_loss(rng: np.random.Generator) -> list[dict[str, object]]:
    last = three_digits(rng.uniform(0.001, 0.1))
    return [
        {"first": 1.0, "last": 1.0},
        {"first": 10.0, "last": 1.0},
        {"first": three_digits(last * 10 ** rng.uniform(2, 8)), "last": last},
    ]


_DECADES_LOST = Exercise(
    name="decades_lost",
    number="0.1",
    title="Decades between the last layer and the first",
    signature="decades_lost(first, last)",
    parts=(
        Part("a gradient that vanishes", 2, _vanishing),
        Part("one that stays or explodes", 1, _no_loss),
    ),
    reference=lambda first, last: math.log10(last / first),
    misconceptions=(
        Misconception(
            "natural logarithm",
            lambda first, last: math.log(last / first),
            "Always 2.3 times too large: a decade is a factor of ten. Which base must the "
            "logarithm have to count tens?",
        ),
        Misconception(
            "sign swapped",
            lambda first, last: math.log10(first / last),
            "The size is right and the sign is not: a loss counts as positive when the first "
            "layer has the smaller gradient.",
        ),
        Misconception(
            "plain ratio",
            lambda first, last: last / first,
            "That is how many times smaller the gradient is. Decades count how often it was "
            "divided by ten.",
        ),
        Misconception(
            "sign dropped",
            lambda first, last: abs(math.log10(last / first)),
            "The sign carries news: what should come out when the first layer has the larger "
            "gradient?",
        ),
        Misconception(
            "cut off at 0",
            lambda first, last: max(0.0, math.log10(last / first)),
            "A gradient that grows loses a negative number of decades: let it come out as it is.",
        ),
        Misconception(
            "logarithms added",
            lambda first, last: math.log10(last * first),
            "The two logarithms are added here. A ratio of two numbers is what between their "
            "logarithms?",
        ),
        Misconception(
            "logarithms divided",
            lambda first, last: (
                math.log10(last) / math.log10(first) if first not in (0, 1) else None
            ),
            "One logarithm is divided by the other here. Take the ratio first, or else what "
            "becomes of a ratio under a logarithm?",
        ),
        Misconception(
            "logarithm of the difference",
            lambda first, last: math.log10(abs(last - first)) if last != first else None,
            "Decades compare two numbers by their ratio, not by their difference.",
        ),
    ),
    atol=1e-9,
    approach=(
        "Work out one case by hand first: from 1 to 0.01 two decades are lost. Which logarithm of "
        "which ratio gives 2 there?"
    ),
)

EXERCISES = (_DECADES_LOST,)
