"""Learners' answers to the exercises of lesson 01."""

# ruff: noqa: F811

import bisect
import math
import statistics
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch.nn import functional

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 1.1 layers_until


@record("wrong", "rounds down instead of up")
def layers_until(factor, target):
    return int(math.log(target) / math.log(factor))


@record("wrong", "rounds to the nearest whole number instead of up")
def layers_until(factor, target):
    return round(math.log(target) / math.log(factor))


@record("wrong", "divides the logarithms the wrong way round")
def layers_until(factor, target):
    return math.ceil(math.log(factor) / math.log(target))


@record("wrong", "goes on until the signal is strictly below the target")
def layers_until(factor, target):
    n = 0
    while factor**n >= target:
        n += 1
    return n


@record("wrong", "counts one layer too many")
def layers_until(factor, target):
    return math.ceil(math.log(target) / math.log(factor)) + 1


@record("wrong", "counts one layer too few")
def layers_until(factor, target):
    return math.ceil(math.log(target) / math.log(factor)) - 1


@record("wrong", "starts at one layer, so never answers 0")
def layers_until(factor, target):
    n = 1
    while factor**n > target:
        n += 1
    return n


@record("wrong", "does not round")
def layers_until(factor, target):
    return math.log(target) / math.log(factor)


@record("wrong", "lets the signal fall by the same amount in each layer instead of the same factor")
def layers_until(factor, target):
    return math.ceil((1 - target) / (1 - factor))


@record("wrong", "halves in each layer whatever the factor")
def layers_until(factor, target):
    return math.ceil(-math.log2(target))


@record("wrong", "squares the factor of each layer")
def layers_until(factor, target):
    return math.ceil(math.log(target) / math.log(factor**2))


@record("wrong", "divides log10 by the natural logarithm")
def layers_until(factor, target):
    return math.ceil(math.log10(target) / math.log(factor))


@record("wrong", "returns what is left of the signal instead of the number of layers")
def layers_until(factor, target):
    signal = 1.0
    while signal > target:
        signal *= factor
    return signal


@record("wrong", "takes the logarithm of the quotient instead of the quotient of logarithms")
def layers_until(factor, target):
    return math.ceil(abs(math.log(target / factor)))


@record("wrong", "rounds each logarithm before dividing")
def layers_until(factor, target):
    return math.ceil(math.ceil(math.log(target)) / math.ceil(math.log(factor)))


@record("wrong", "divides with //, which goes one too far where rounding spoils an exact hit")
def layers_until(factor, target):
    return int(-(math.log10(target) // -math.log10(factor)))


@record("right", "a loop over powers")
def layers_until(factor, target):
    n = 0
    while factor**n > target:
        n += 1
    return n


@record("right", "a loop that multiplies the signal")
def layers_until(factor, target):
    signal, layers = 1.0, 0
    while signal > target:
        signal, layers = signal * factor, layers + 1
    return layers


@record("right", "a binary search in a range")
def layers_until(factor, target):
    return bisect.bisect_left(range(10**9), True, key=lambda n: factor**n <= target)


@record("right", "numpy, returns a numpy integer")
def layers_until(factor, target):
    return np.int64(np.ceil(np.log2(target) / np.log2(factor)))


@record("right", "numpy's ceil, returns a whole number as a float")
def layers_until(factor, target):
    return np.ceil(np.log(target) / np.log(factor))


@record("two", "rounds down instead of up and divides the logarithms the wrong way round")
def layers_until(factor, target):
    return math.floor(math.log(factor) / math.log(target))


@record("two", "does not round and squares the factor of each layer")
def layers_until(factor, target):
    return math.log(target) / (2 * math.log(factor))


@record("two", "rounds down instead of up and divides log10 by the natural logarithm")
def layers_until(factor, target):
    return int(math.log10(target) / math.log(factor))


@record("two", "halves in each layer whatever the factor and counts one layer too many")
def layers_until(factor, target):
    return math.ceil(math.log(target, 0.5)) + 1


# 1.2 sigmoid_chain_grad


@record("wrong", "takes every slope at x")
def sigmoid_chain_grad(x, depth):
    s = torch.sigmoid(x)
    return (s * (1 - s)) ** depth


@record("wrong", "takes the slope of tanh for that of the sigmoid")
def sigmoid_chain_grad(x, depth):
    y, grad = x, torch.ones_like(x)
    for _ in range(depth):
        y = torch.sigmoid(y)
        grad = grad * (1 - y**2)
    return grad


@record("wrong", "puts the input instead of the output into h (1 - h)")
def sigmoid_chain_grad(x, depth):
    h, grad = x, torch.ones_like(x)
    for _ in range(depth):
        grad = grad * h * (1 - h)
        h = torch.sigmoid(h)
    return grad


@record("wrong", "counts one layer too few")
def sigmoid_chain_grad(x, depth):
    grad = torch.ones_like(x)
    for _ in range(1, depth):
        x = torch.sigmoid(x)
        grad = grad * x * (1 - x)
    return grad


@record("wrong", "counts one layer too many")
def sigmoid_chain_grad(x, depth):
    grad = torch.ones_like(x)
    for _ in range(depth + 1):
        x = torch.sigmoid(x)
        grad = grad * x * (1 - x)
    return grad


@record("wrong", "returns the value instead of the derivative")
def sigmoid_chain_grad(x, depth):
    for _ in range(depth):
        x = torch.sigmoid(x)
    return x


@record("wrong", "takes the slope at zero, a quarter, in every layer")
def sigmoid_chain_grad(x, depth):
    return torch.full_like(x, 0.25**depth)


@record("wrong", "differentiates the mean instead of the sum")
def sigmoid_chain_grad(x, depth):
    x = x.clone().requires_grad_()
    y = x
    for _ in range(depth):
        y = torch.sigmoid(y)
    return torch.autograd.grad(y.mean(), x)[0]


@record("wrong", "sums the derivatives of all elements")
def sigmoid_chain_grad(x, depth):
    grad = 1.0
    for _ in range(depth):
        x = torch.sigmoid(x)
        grad = grad * x * (1 - x)
    return grad.sum()


@record("wrong", "keeps only the slope of the last layer")
def sigmoid_chain_grad(x, depth):
    for _ in range(depth):
        x = torch.sigmoid(x)
        grad = x * (1 - x)
    return grad


@record("wrong", "adds the slopes instead of multiplying them")
def sigmoid_chain_grad(x, depth):
    grad = torch.zeros_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        grad = grad + x * (1 - x)
    return grad


@record("wrong", "nests the derivative instead of the sigmoid")
def sigmoid_chain_grad(x, depth):
    for _ in range(depth):
        s = torch.sigmoid(x)
        x = s * (1 - s)
    return x


@record("wrong", "forgets to ask for a gradient at x")
def sigmoid_chain_grad(x, depth):
    y = x.clone()
    for _ in range(depth):
        y = torch.sigmoid(y)
    y.sum().backward()
    return x.grad


@record("wrong", "overwrites its argument")
def sigmoid_chain_grad(x, depth):
    grad = torch.ones_like(x)
    for _ in range(depth):
        x.sigmoid_()
        grad = grad * x * (1 - x)
    return grad


@record("wrong", "ignores the depth")
def sigmoid_chain_grad(x, depth):
    return torch.sigmoid(x) * (1 - torch.sigmoid(x))


@record("wrong", "has the sign of the slope wrong")
def sigmoid_chain_grad(x, depth):
    grad = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        grad = grad * x * (x - 1)
    return grad


@record("right", "autograd on a copy")
def sigmoid_chain_grad(x, depth):
    x = x.detach().clone().requires_grad_()
    y = x
    for _ in range(depth):
        y = y.sigmoid()
    y.backward(torch.ones_like(y))
    return x.grad


@record("right", "recursion")
def sigmoid_chain_grad(x, depth):
    def chain(h, n):
        s = torch.sigmoid(h)
        return s * (1 - s) * (chain(s, n - 1) if n > 1 else 1)

    return chain(x, depth)


@record("right", "in log space")
def sigmoid_chain_grad(x, depth):
    total = torch.zeros_like(x)
    for _ in range(depth):
        total = total + functional.logsigmoid(x) + functional.logsigmoid(-x)
        x = torch.sigmoid(x)
    return total.exp()


@record("right", "numpy with the slope as 1 / (2 + e^h + e^-h)")
def sigmoid_chain_grad(x, depth):
    h, grad = x.numpy().astype(np.float64), 1.0
    for _ in range(depth):
        with np.errstate(over="ignore"):
            grad = grad / (2 + np.exp(h) + np.exp(-h))
            h = 1 / (1 + np.exp(-h))
    return torch.as_tensor(grad).to(x.dtype)


@record("right", "the squared slope of tanh(h / 2) by accumulate")
def sigmoid_chain_grad(x, depth):
    chain = accumulate(range(depth - 1), lambda h, _: torch.sigmoid(h), initial=x)
    return math.prod((1 - torch.tanh(h / 2) ** 2) / 4 for h in chain)


@record("two", "takes every slope at x and counts one layer too few")
def sigmoid_chain_grad(x, depth):
    s = torch.sigmoid(x)
    return (s * (1 - s)) ** (depth - 1)


@record("two", "takes the slope of tanh for that of the sigmoid and sums over all elements")
def sigmoid_chain_grad(x, depth):
    grad = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        grad = grad * (1 - x**2)
    return grad.sum()


@record("two", "adds the slopes instead of multiplying them and counts one layer too many")
def sigmoid_chain_grad(x, depth):
    grad = torch.zeros_like(x)
    for _ in range(depth + 1):
        x = torch.sigmoid(x)
        grad += x * (1 - x)
    return grad


# 1.3 backward_deltas


def slope(z):
    return 1 - torch.tanh(z) ** 2


@record("wrong", "lists the deltas from output to input")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.append(deltas[-1] @ w * slope(z))
    return deltas


@record("wrong", "multiplies by the transpose of W")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, deltas[0] @ w.T * slope(z))
    return deltas


@record("wrong", "forgets the slope")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w in reversed(weights):
        deltas.insert(0, deltas[0] @ w)
    return deltas


@record("wrong", "forgets the weights")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for z in reversed(pre_activations):
        deltas.insert(0, deltas[0] * slope(z))
    return deltas


@record("wrong", "puts z instead of tanh z into the slope")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, deltas[0] @ w * (1 - z**2))
    return deltas


@record("wrong", "takes the slope of the sigmoid for that of tanh")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        s = torch.sigmoid(z)
        deltas.insert(0, deltas[0] @ w * s * (1 - s))
    return deltas


@record("wrong", "multiplies by tanh instead of its slope")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, deltas[0] @ w * torch.tanh(z))
    return deltas


@record("wrong", "leaves out the delta of the last layer")
def backward_deltas(weights, pre_activations, delta):
    deltas = []
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        delta = delta @ w * slope(z)
        deltas.insert(0, delta)
    return deltas


@record("wrong", "multiplies by the slope before the weights")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, (deltas[0] * slope(z)) @ w)
    return deltas


@record("wrong", "starts each step from the last layer's delta")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, delta @ w * slope(z))
    return deltas


@record("wrong", "walks through the lists from the input")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights, pre_activations, strict=True):
        deltas.insert(0, deltas[0] @ w * slope(z))
    return deltas


@record("wrong", "forgets to square tanh in the slope")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, deltas[0] @ w * (1 - torch.tanh(z)))
    return deltas


@record("wrong", "empties the lists that it was given")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    while weights:
        deltas.insert(0, deltas[0] @ weights.pop() * slope(pre_activations.pop()))
    return deltas


@record("wrong", "averages over the batch in each step")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, (deltas[0] @ w * slope(z)).mean(dim=0, keepdim=True))
    return deltas


@record("wrong", "returns the norms instead of the deltas")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.insert(0, deltas[0] @ w * slope(z))
    return [d.norm() for d in deltas]


@record("wrong", "leaves out the first layer")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for k in range(len(weights) - 1, 0, -1):
        deltas.insert(0, deltas[0] @ weights[k] * slope(pre_activations[k]))
    return deltas


@record("wrong", "reaches past the end of the list of pre-activations")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for k in range(len(weights) - 1, -1, -1):
        deltas.insert(0, deltas[0] @ weights[k] * slope(pre_activations[k + 1]))
    return deltas


@record("right", "recursion")
def backward_deltas(weights, pre_activations, delta):
    def back(ws, zs, d):
        return [*back(ws[:-1], zs[:-1], d @ ws[-1] * slope(zs[-1])), d] if ws else [d]

    return back(weights, pre_activations, delta)


@record("right", "accumulate and einsum")
def backward_deltas(weights, pre_activations, delta):
    steps = list(zip(weights, pre_activations, strict=True))[::-1]
    found = accumulate(
        steps,
        lambda d, step: torch.einsum("bo,oi,bi->bi", d, step[0], 1 / torch.cosh(step[1]) ** 2),
        initial=delta,
    )
    return list(found)[::-1]


@record("right", "autograd, one layer at a time")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        z = z.detach().clone().requires_grad_()
        deltas += torch.autograd.grad(torch.tanh(z) @ w.T, z, deltas[-1])
    return deltas[::-1]


@record("right", "columns instead of rows, turned back at the end")
def backward_deltas(weights, pre_activations, delta):
    columns = [delta.T]
    for layer in range(len(weights)):
        z = pre_activations[-1 - layer].T
        columns.append((1 - z.tanh().square()) * (weights[-1 - layer].T @ columns[layer]))
    return [column.T for column in reversed(columns)]


@record("two", "lists the deltas from output to input and forgets the slope")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w in reversed(weights):
        deltas.append(deltas[-1] @ w)
    return deltas


@record("two", "takes the slope of the sigmoid for that of tanh and leaves out the last delta")
def backward_deltas(weights, pre_activations, delta):
    deltas = []
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        delta = delta @ w * torch.sigmoid(z) * torch.sigmoid(-z)
        deltas = [delta, *deltas]
    return deltas


@record("two", "lists the deltas from output to input and puts z instead of tanh z into the slope")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1], strict=True):
        deltas.append(deltas[-1] @ w * (1 - z * z))
    return deltas


# 1.4 norm_per_layer


@record("wrong", "divides by the number of layers instead of steps")
def norm_per_layer(norms):
    return (norms[0] / norms[-1]) ** (1 / len(norms))


@record("wrong", "goes forward instead of backward")
def norm_per_layer(norms):
    return (norms[-1] / norms[0]) ** (1 / (len(norms) - 1))


@record("wrong", "takes the arithmetic mean of the factors")
def norm_per_layer(norms):
    return statistics.mean(a / b for a, b in pairwise(norms))


@record("wrong", "forgets the root")
def norm_per_layer(norms):
    return norms[0] / norms[-1]


@record("wrong", "looks at the first two layers only")
def norm_per_layer(norms):
    return norms[0] / norms[1]


@record("wrong", "stays in logarithms")
def norm_per_layer(norms):
    return math.log(norms[0] / norms[-1]) / (len(norms) - 1)


@record("wrong", "gives the factor of the squared norm")
def norm_per_layer(norms):
    return (norms[0] / norms[-1]) ** (2 / (len(norms) - 1))


@record("wrong", "counts one step too few")
def norm_per_layer(norms):
    return math.exp(math.log(norms[0] / norms[-1]) / (len(norms) - 2))


@record("wrong", "takes the geometric mean of the norms instead of the factors")
def norm_per_layer(norms):
    return statistics.geometric_mean(norms)


@record("wrong", "takes log10 but undoes it with exp")
def norm_per_layer(norms):
    return math.exp(math.log10(norms[0] / norms[-1]) / (len(norms) - 1))


@record("wrong", "takes the median of the factors")
def norm_per_layer(norms):
    return statistics.median(a / b for a, b in pairwise(norms))


@record("wrong", "divides the smallest by the largest norm")
def norm_per_layer(norms):
    return (min(norms) / max(norms)) ** (1 / (len(norms) - 1))


@record("wrong", "divides whole numbers, so that the exponent is 0")
def norm_per_layer(norms):
    return (norms[0] / norms[-1]) ** (1 // (len(norms) - 1))


@record("wrong", "rounds to two digits")
def norm_per_layer(norms):
    return round((norms[0] / norms[-1]) ** (1 / (len(norms) - 1)), 2)


@record("wrong", "leaves out the brackets around the number of steps")
def norm_per_layer(norms):
    return (norms[0] / norms[-1]) ** (1 / len(norms) - 1)


@record("right", "the geometric mean of all factors")
def norm_per_layer(norms):
    return statistics.geometric_mean(a / b for a, b in pairwise(norms))


@record("right", "numpy, in log space")
def norm_per_layer(norms):
    return np.exp(-np.diff(np.log(norms)).mean())


@record("right", "a tensor without dimensions for a float")
def norm_per_layer(norms):
    logs = torch.tensor(norms, dtype=torch.float64).log2()
    return torch.exp2((logs[0] - logs[-1]) / (len(logs) - 1))


@record("two", "divides by the number of layers instead of steps and goes forward")
def norm_per_layer(norms):
    return (norms[-1] / norms[0]) ** (1 / len(norms))


@record("two", "takes the arithmetic mean of the factors and goes forward")
def norm_per_layer(norms):
    factors = [norms[i + 1] / norms[i] for i in range(len(norms) - 1)]
    return sum(factors) / len(factors)


@record("two", "forgets the root and gives the factor of the squared norm")
def norm_per_layer(norms):
    return norms[0] ** 2 / norms[-1] ** 2


@record("two", "stays in logarithms and divides by the number of layers instead of steps")
def norm_per_layer(norms):
    return np.log(norms[0] / norms[-1]) / len(norms)
