"""Learners' answers to the exercises of lesson 05."""

# ruff: noqa: F811, F821

import functools
import math
import statistics

import numpy as np

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 5.1 weight_std


@record("wrong", "takes fan_in for fan_out")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_in * slopes.square().mean())


@record("wrong", "returns the variance instead of the standard deviation")
def weight_std(slopes, fan_in, fan_out):
    return 1 / (fan_out * slopes.square().mean().item())


@record("wrong", "averages fan_in and fan_out as Xavier does")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(2 / ((fan_in + fan_out) * slopes.square().mean()))


@record("wrong", "takes the mean before the square")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_out * slopes.mean() ** 2)


@record("wrong", "ignores the slopes")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_out)


@record("wrong", "takes He's 2 whatever the slopes")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(2 / fan_out)


@record("wrong", "takes the sum of the squares instead of the mean")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_out * slopes.square().sum())


@record("wrong", "takes the variance of the slopes for their mean square")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_out * slopes.var(correction=0))


@record("wrong", "multiplies by the mean square instead of dividing")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(slopes.square().mean() / fan_out)


@record("wrong", "forgets to square the slopes")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_out * slopes.mean())


@record("wrong", "multiplies fan_in by fan_out")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_in * fan_out * slopes.square().mean())


@record("wrong", "returns the gain, without fan_out")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(slopes.square().mean())


@record("wrong", "gives the bound of a uniform distribution")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(3 / (fan_out * slopes.square().mean()))


@record("wrong", "misspells fan_out")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fanout * slopes.square().mean())


@record("wrong", "divides by the number of rows instead of entries")
def weight_std(slopes, fan_in, fan_out):
    mean = slopes.square().sum() / slopes.shape[0]
    return 1 / math.sqrt(fan_out * mean)


@record("wrong", "leaves the slopes of 0 out of the mean")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_out * slopes[slopes != 0].square().mean())


@record("wrong", "divides by fan_out instead of its root")
def weight_std(slopes, fan_in, fan_out):
    return 1 / (fan_out * slopes.square().mean().sqrt().item())


@record("wrong", "doubles the variance on top of the slopes")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(2 / (fan_out * slopes.square().mean()))


@record("right", "numpy, returns a numpy scalar")
def weight_std(slopes, fan_in, fan_out):
    return (fan_out * np.mean(np.square(slopes.double().numpy()))) ** -0.5


@record("right", "in log space")
def weight_std(slopes, fan_in, fan_out):
    squares = [s * s for s in slopes.flatten().tolist()]
    return math.exp(-(math.log(fan_out) + math.log(statistics.fmean(squares))) / 2)


@record("right", "a norm instead of a mean, as a tensor")
def weight_std(slopes, fan_in, fan_out):
    return (slopes.numel() / fan_out) ** 0.5 / slopes.double().norm()


def general_std(slopes, fan_in, fan_out, power):
    return float((fan_out * slopes.double().pow(power).mean()) ** (-1 / power))


record("right", "functools.partial of a more general function", "weight_std")(
    functools.partial(general_std, power=2)
)


@record("two", "takes fan_in for fan_out and takes the mean before the square")
def weight_std(slopes, fan_in, fan_out):
    return 1 / (math.sqrt(fan_in) * abs(slopes.mean().item()))


@record("two", "takes fan_in for fan_out and returns the variance")
def weight_std(slopes, fan_in, fan_out):
    return (1 / (fan_in * slopes.square().mean())).item()


@record("two", "takes He's 2 whatever the slopes and takes fan_in for fan_out")
def weight_std(slopes, fan_in, fan_out):
    return (2 / fan_in) ** 0.5


@record("two", "forgets to square the slopes and averages fan_in and fan_out as Xavier does")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(2 / ((fan_in + fan_out) * slopes.mean()))
