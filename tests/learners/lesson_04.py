"""Learners' answers to the exercises of lesson 04."""

# ruff: noqa: F811

import functools
import math
import statistics

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 4.1 leaky_std


@record("wrong", "returns the variance instead of the standard deviation")
def leaky_std(negative_slope, fan_in):
    return 2 / ((1 + negative_slope**2) * fan_in)


@record("wrong", "does not square the slope")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / ((1 + negative_slope) * fan_in))


@record("wrong", "forgets that each slope holds for half the units")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(1 / ((1 + negative_slope**2) * fan_in))


@record("wrong", "takes He's rule for ReLU whatever the slope")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / fan_in)


@record("wrong", "subtracts the squared slope instead of adding it")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / ((1 - negative_slope**2) * fan_in))


@record("wrong", "multiplies by the mean squared slope instead of dividing")
def leaky_std(negative_slope, fan_in):
    return math.sqrt((1 + negative_slope**2) / 2 / fan_in)


@record("wrong", "forgets the half with slope 1")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / (negative_slope**2 * fan_in))


@record("wrong", "squares the mean slope instead of averaging the squares")
def leaky_std(negative_slope, fan_in):
    mean = (1 + negative_slope) / 2
    return 1 / math.sqrt(fan_in * mean**2)


@record("wrong", "gives the bound of a uniform distribution")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(3) * math.sqrt(2 / ((1 + negative_slope**2) * fan_in))


@record("wrong", "returns the gain, without fan_in")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / (1 + negative_slope**2))


@record("wrong", "divides by fan_in instead of its root")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / (1 + negative_slope**2)) / fan_in


@record("wrong", "leaves out the brackets below the fraction line")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / (1 + negative_slope**2) * fan_in)


@record("wrong", "leaves out the brackets around 1 + the squared slope")
def leaky_std(negative_slope, fan_in):
    return math.sqrt((2 / 1 + negative_slope**2) / fan_in)


@record("wrong", "writes ^ for a power")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / ((1 + negative_slope ^ 2) * fan_in))


@record("wrong", "takes PyTorch's default slope of 0.01 whatever it is given")
def leaky_std(negative_slope, fan_in):
    return torch.nn.init.calculate_gain("leaky_relu") / math.sqrt(fan_in)


@record("wrong", "rounds to two digits")
def leaky_std(negative_slope, fan_in):
    return round(math.sqrt(2 / ((1 + negative_slope**2) * fan_in)), 2)


@record("wrong", "squares the slope twice")
def leaky_std(negative_slope, fan_in):
    square = negative_slope**2
    return math.sqrt(2 / ((1 + square**2) * fan_in))


@record("right", "PyTorch's gain")
def leaky_std(negative_slope, fan_in):
    return torch.nn.init.calculate_gain("leaky_relu", negative_slope) / fan_in**0.5


@record("right", "in log space, returns a numpy scalar")
def leaky_std(negative_slope, fan_in):
    return np.exp((np.log(2) - np.log1p(negative_slope**2) - np.log(fan_in)) / 2)


@record("right", "hypot for the root of the squares")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / fan_in) / math.hypot(1, negative_slope)


@record("two", "returns the variance and does not square the slope")
def leaky_std(negative_slope, fan_in):
    return 2 / (fan_in * (1 + negative_slope))


@record("two", "forgets that each slope holds for half the units and does not square the slope")
def leaky_std(negative_slope, fan_in):
    return (1 / (fan_in * (1 + negative_slope))) ** 0.5


@record("two", "takes He's rule for ReLU whatever the slope and returns the variance")
def leaky_std(negative_slope, fan_in):
    return 2 / fan_in


@record("two", "multiplies by the mean squared slope and returns the gain, without fan_in")
def leaky_std(negative_slope, fan_in):
    return math.sqrt((1 + negative_slope**2) / 2)


# 4.2 critical_gain


@record("wrong", "returns the root-mean-square slope instead of its inverse")
def critical_gain(slopes):
    return slopes.square().mean().sqrt().item()


@record("wrong", "takes the mean before the square")
def critical_gain(slopes):
    return 1 / math.sqrt(slopes.mean() ** 2)


@record("wrong", "forgets the root")
def critical_gain(slopes):
    return 1 / slopes.square().mean().item()


@record("wrong", "forgets the square")
def critical_gain(slopes):
    return 1 / math.sqrt(slopes.mean())


@record("wrong", "takes the standard deviation of the slopes")
def critical_gain(slopes):
    return 1 / slopes.std().item()


@record("wrong", "takes the sum of the squares instead of the mean")
def critical_gain(slopes):
    return 1 / slopes.norm().item()


@record("wrong", "takes ReLU's gain whatever the slopes")
def critical_gain(slopes):
    return math.sqrt(2)


@record("wrong", "counts the slopes above 0 instead of squaring them")
def critical_gain(slopes):
    return 1 / math.sqrt((slopes > 0).float().mean())


@record("wrong", "takes the largest slope")
def critical_gain(slopes):
    return 1 / slopes.max().item()


@record("wrong", "takes one mean for each column")
def critical_gain(slopes):
    return 1 / slopes.square().mean(dim=0).sqrt()


@record("wrong", "takes the median of the squares")
def critical_gain(slopes):
    return 1 / math.sqrt(slopes.square().median())


@record("wrong", "averages the inverse squares")
def critical_gain(slopes):
    return (1 / slopes.square()).mean().sqrt().item()


@record("wrong", "leaves the slopes of 0 out of the mean")
def critical_gain(slopes):
    return 1 / math.sqrt(slopes[slopes != 0].square().mean())


@record("wrong", "divides by the number of rows instead of entries")
def critical_gain(slopes):
    return 1 / math.sqrt(slopes.square().sum() / len(slopes))


@record("wrong", "squares the tensor that it was given")
def critical_gain(slopes):
    slopes.square_()
    return 1 / math.sqrt(slopes.mean())


@record("wrong", "cuts off negative slopes")
def critical_gain(slopes):
    return 1 / math.sqrt(torch.relu(slopes).square().mean())


@record("wrong", "adds up with Python's sum, which adds rows")
def critical_gain(slopes):
    return math.sqrt(slopes.numel() / sum(slopes**2))


@record("right", "numpy, returns a numpy scalar")
def critical_gain(slopes):
    return 1 / np.sqrt(np.mean(slopes.numpy().astype(float) ** 2))


@record("right", "a power of a mean over a list")
def critical_gain(slopes):
    return statistics.fmean(s * s for s in slopes.flatten().tolist()) ** -0.5


@record("right", "the root of the number of entries over their norm, as a tensor")
def critical_gain(slopes):
    return slopes.numel() ** 0.5 / torch.linalg.vector_norm(slopes)


class Gain:
    def __init__(self, power):
        self.power = power

    def __call__(self, slopes):
        return float(slopes.double().pow(self.power).mean()) ** (-1 / self.power)


record("right", "an object that can be called", "critical_gain")(Gain(2))


@record("two", "returns the root-mean-square slope instead of its inverse and forgets the root")
def critical_gain(slopes):
    return slopes.square().mean().item()


@record("two", "takes the mean before the square and forgets the root")
def critical_gain(slopes):
    return 1 / slopes.mean().item() ** 2


@record("two", "takes the sum of the squares instead of the mean and forgets the root")
def critical_gain(slopes):
    return 1 / (slopes**2).sum().item()


# 4.3 dead_share


@record("wrong", "asks along the units instead of the pictures")
def dead_share(pre_activations):
    return (pre_activations <= 0).all(dim=1).double().mean().item()


@record("wrong", "counts a unit at exactly 0 as alive")
def dead_share(pre_activations):
    return (pre_activations < 0).all(dim=0).double().mean().item()


@record("wrong", "counts units that are off for any picture")
def dead_share(pre_activations):
    return (pre_activations <= 0).any(dim=0).double().mean().item()


@record("wrong", "gives the share of entries that are off")
def dead_share(pre_activations):
    return (pre_activations <= 0).double().mean().item()


@record("wrong", "gives the share of units alive")
def dead_share(pre_activations):
    return (pre_activations > 0).any(dim=0).double().mean().item()


@record("wrong", "counts the units instead of giving their share")
def dead_share(pre_activations):
    return (pre_activations <= 0).all(dim=0).sum().item()


@record("wrong", "looks at the mean over the pictures")
def dead_share(pre_activations):
    return (pre_activations.mean(dim=0) <= 0).double().mean().item()


@record("wrong", "divides by the number of pictures")
def dead_share(pre_activations):
    return (pre_activations <= 0).all(dim=0).sum().item() / len(pre_activations)


@record("wrong", "looks for pre-activations of exactly 0")
def dead_share(pre_activations):
    return (pre_activations == 0).all(dim=0).double().mean().item()


@record("wrong", "takes the mean of a boolean tensor")
def dead_share(pre_activations):
    return (pre_activations <= 0).all(dim=0).mean().item()


@record("wrong", "looks at the first picture only")
def dead_share(pre_activations):
    return (pre_activations[0] <= 0).double().mean().item()


@record("wrong", "asks whether all units are dead")
def dead_share(pre_activations):
    return float((pre_activations <= 0).all())


@record("wrong", "has the sign wrong and counts units that are on for all pictures")
def dead_share(pre_activations):
    return (pre_activations > 0).all(dim=0).double().mean().item()


@record("wrong", "applies the ReLU in place")
def dead_share(pre_activations):
    return (pre_activations.relu_().sum(dim=0) == 0).double().mean().item()


@record("wrong", "calls a unit dead if it is on for less than half the pictures")
def dead_share(pre_activations):
    on = (pre_activations > 0).double().mean(dim=0)
    return (on < 0.5).double().mean().item()


@record("wrong", "calls Python's all on rows")
def dead_share(pre_activations):
    return float(all(row <= 0 for row in pre_activations))


@record("wrong", "calls pre-activations below 0.05 off")
def dead_share(pre_activations):
    return (pre_activations < 0.05).all(dim=0).double().mean().item()


@record("right", "no output from any picture")
def dead_share(pre_activations):
    return (torch.relu(pre_activations).amax(dim=0) == 0).float().mean().item()


@record("right", "numpy, one minus the share of the living")
def dead_share(pre_activations):
    return 1 - np.mean(np.any(pre_activations.numpy() > 0, axis=0))


@record("right", "a loop over the units")
def dead_share(pre_activations):
    columns = pre_activations.T.tolist()
    return sum(max(column) <= 0 for column in columns) / len(columns)


@record("right", "the gradient of the outputs is 0")
def dead_share(pre_activations):
    z = pre_activations.detach().clone().requires_grad_()
    torch.relu(z).sum().backward()
    return (z.grad.sum(dim=0) == 0).double().mean().item()


record("right", "functools.reduce over the pictures", "dead_share")(
    lambda z: functools.reduce(torch.maximum, z).le(0).double().mean().item()
)


@record("two", "asks along the units instead of the pictures and counts 0 as alive")
def dead_share(pre_activations):
    return (pre_activations < 0).all(dim=1).double().mean().item()


@record("two", "gives the share of units alive and counts 0 as alive")
def dead_share(pre_activations):
    return (pre_activations >= 0).any(dim=0).double().mean().item()


@record("two", "counts units that are off for any picture and asks along the units")
def dead_share(pre_activations):
    return (pre_activations <= 0).any(dim=1).double().mean().item()


@record("two", "gives the share of entries that are off and counts 0 as alive")
def dead_share(pre_activations):
    return (pre_activations < 0).float().mean().item()
