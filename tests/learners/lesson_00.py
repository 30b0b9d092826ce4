"""Learners' answers to the exercise of lesson 00."""

# ruff: noqa: F811, F821, RET503, T201

import math

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)


@record("wrong", "turns the ratio upside down")
def decades_lost(first, last):
    return math.log10(first / last)


@record("wrong", "takes the natural logarithm for log10")
def decades_lost(first, last):
    return math.log(last / first)


@record("wrong", "takes log2 for log10")
def decades_lost(first, last):
    return math.log2(last / first)


@record("wrong", "drops the sign with abs")
def decades_lost(first, last):
    return abs(math.log10(last / first))


@record("wrong", "returns the ratio without its logarithm")
def decades_lost(first, last):
    return last / first


@record("wrong", "divides the two logarithms instead of subtracting them")
def decades_lost(first, last):
    return math.log10(last) / math.log10(first)


@record("wrong", "cuts to whole decades with int()")
def decades_lost(first, last):
    return int(math.log10(last / first))


@record("wrong", "counts the decades of the squared norm")
def decades_lost(first, last):
    return math.log10(last**2 / first**2)


@record("wrong", "takes the logarithm of the difference")
def decades_lost(first, last):
    return math.log10(last - first)


@record("wrong", "prints the answer and returns nothing")
def decades_lost(first, last):
    print(math.log10(last / first))


@record("wrong", "calls log10 without importing it")
def decades_lost(first, last):
    return log10(last / first)


@record("wrong", "lets no answer be negative")
def decades_lost(first, last):
    return max(0.0, math.log10(last / first))


@record("wrong", "rounds to two digits")
def decades_lost(first, last):
    return round(math.log10(last / first), 2)


@record("wrong", "gives decibels, ten times too much")
def decades_lost(first, last):
    ratio = last / first
    return 10 * math.log10(ratio)


@record("wrong", "adds the logarithms instead of subtracting them")
def decades_lost(first, last):
    return math.log10(last) + math.log10(first)


@record("wrong", "forgets the return in the branch where the gradient grows")
def decades_lost(first, last):
    if last >= first:
        return math.log10(last / first)


@record("right", "subtracts two logarithms")
def decades_lost(first, last):
    return math.log10(last) - math.log10(first)


@record("right", "numpy, returns a numpy scalar")
def decades_lost(first, last):
    return -np.diff(np.log10([last, first]))[0]


record("right", "a lambda, natural logarithms over ln 10", "decades_lost")(
    lambda first, last: (math.log(last) - math.log(first)) / math.log(10)
)


@record("right", "a tensor without dimensions for a float")
def decades_lost(first, last):
    pair = torch.tensor([first, last], dtype=torch.float64)
    return pair.log10().diff().squeeze()


@record("two", "turns the ratio upside down and takes the natural logarithm for log10")
def decades_lost(first, last):
    return math.log(first) - math.log(last)


@record("two", "drops the sign with abs and takes log2 for log10")
def decades_lost(first, last):
    return abs(math.log2(last / first))


@record("two", "turns the ratio upside down and counts the decades of the squared norm")
def decades_lost(first, last):
    return 2 * math.log10(first / last)


@record("two", "takes the natural logarithm for log10 and cuts to whole decades with int()")
def decades_lost(first, last):
    return int(np.log(last / first))
