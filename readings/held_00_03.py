"""Held-out answers to lessons 00 to 03 (and leaky_std), written from the statements alone."""

# ruff: noqa

import functools
import itertools
import math
import statistics
from bisect import bisect_left
from decimal import Decimal

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)


# ---------------------------------------------------------------- decades_lost


@record("wrong", "logarithm of the difference of the norms, not of their ratio")
def decades_lost(first, last):
    return math.log10(last - first)


@record("wrong", "quotient of the logarithms, not logarithm of the quotient")
def decades_lost(first, last):
    return math.log10(last) / math.log10(first)


@record("wrong", "adds the two logarithms")
def decades_lost(first, last):
    return math.log10(last) + math.log10(first)


@record("wrong", "decibels: 20 times the logarithm")
def decades_lost(first, last):
    return 20 * math.log10(last / first)


@record("wrong", "rounds to whole decades")
def decades_lost(first, last):
    return float(round(math.log10(last / first)))


@record("wrong", "nothing returned when the gradient grows")
def decades_lost(first, last):
    if first <= last:
        return math.log10(last / first)


@record("wrong", "prints the answer")
def decades_lost(first, last):
    ratio = last / first
    print(math.log10(ratio))


@record("wrong", "sets growth to zero with max")
def decades_lost(first, last):
    return max(0.0, math.log10(last / first))


@record("two", "natural logarithm, and ratio upside down")
def decades_lost(first, last):
    return math.log(first) - math.log(last)


@record("two", "log2, and sign dropped with abs")
def decades_lost(first, last):
    return abs(math.log2(last / first))


@record("two", "counts whole decades in a loop, and growth is zero")
def decades_lost(first, last):
    decades = 0
    while first * 10 <= last:
        first *= 10
        decades += 1
    return float(decades)


@record("right", "Decimal's own log10")
def decades_lost(first, last):
    return float(Decimal(last).log10() - Decimal(first).log10())


@record("right", "np.subtract of a list of logarithms")
def decades_lost(first, last):
    return float(np.subtract(*np.log10([last, first])))


record("right", "lambda with natural logarithms over ln 10", "decades_lost")(
    lambda first, last: (math.log(last) - math.log(first)) / math.log(10)
)


# ---------------------------------------------------------------- layers_until


@record("wrong", "rounds down with int")
def layers_until(factor, target):
    return int(math.log(target) / math.log(factor))


@record("wrong", "waits until strictly below the target")
def layers_until(factor, target):
    layers = 0
    while factor**layers >= target:
        layers += 1
    return layers


@record("wrong", "subtracts 1 - factor of the start in each layer")
def layers_until(factor, target):
    return math.ceil((1 - target) / (1 - factor))


@record("wrong", "counts from one, so a target of 1 needs a layer")
def layers_until(factor, target):
    layers = 1
    signal = factor
    while signal > target:
        signal *= factor
        layers += 1
    return layers


@record("wrong", "stops one layer early")
def layers_until(factor, target):
    layers = 0
    while factor ** (layers + 1) > target:
        layers += 1
    return layers


@record("wrong", "log10 on top, natural logarithm below")
def layers_until(factor, target):
    return math.ceil(math.log10(target) / math.log(factor))


@record("wrong", "endless loop: the signal is never updated")
def layers_until(factor, target):
    layers = 0
    signal = 1.0
    while signal > target:
        layers += 1
        signal * factor
    return layers


@record("wrong", "squares the factor in each turn: factor *= factor")
def layers_until(factor, target):
    layers = 0 if target >= 1 else 1
    while factor > target:
        factor *= factor
        layers += 1
    return layers


@record("two", "log10 over natural logarithm, and rounds down")
def layers_until(factor, target):
    return int(math.log10(target) / math.log(factor))


@record("two", "linear loss, and rounds down")
def layers_until(factor, target):
    return int((1 - target) / (1 - factor))


@record("two", "logarithms swapped, and rounds to nearest")
def layers_until(factor, target):
    return round(math.log(factor) / math.log(target))


@record("right", "next of a generator over itertools.count")
def layers_until(factor, target):
    return next(n for n in itertools.count() if factor**n <= target)


@record("right", "bisection over a long range")
def layers_until(factor, target):
    return bisect_left(range(10**7), True, key=lambda n: factor**n <= target)


@record("right", "argmax over a numpy array of powers")
def layers_until(factor, target):
    enough = int(np.log(target) / np.log(factor)) + 3
    return int(np.argmax(factor ** np.arange(enough) <= target))


# ---------------------------------------------------------- sigmoid_chain_grad


@record("wrong", "never advances: the same slope to the power depth")
def sigmoid_chain_grad(x, depth):
    s = torch.sigmoid(x)
    return (s * (1 - s)) ** depth


@record("wrong", "one layer too many")
def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth + 1):
        x = torch.sigmoid(x)
        slope = slope * x * (1 - x)
    return slope


@record("wrong", "only the slope of the last sigmoid")
def sigmoid_chain_grad(x, depth):
    for _ in range(depth):
        x = torch.sigmoid(x)
    return x * (1 - x)


@record("wrong", "slope at the output of each sigmoid, not at its input")
def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        s = torch.sigmoid(x)
        slope = slope * s * (1 - s)
    return slope


@record("wrong", "changes x in place with sigmoid_")
def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        x.sigmoid_()
        slope *= x * (1 - x)
    return slope


@record("wrong", "autograd of the mean, so everything is divided by the number of elements")
def sigmoid_chain_grad(x, depth):
    start = x.detach().clone().requires_grad_()
    y = start
    for _ in range(depth):
        y = torch.sigmoid(y)
    y.mean().backward()
    return start.grad


@record("wrong", "forgets the brackets: s * 1 - s")
def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        s = torch.sigmoid(x)
        slope = slope * (s * 1 - s)
        x = s
    return slope


@record("wrong", "the slope formula of tanh, 1 - s**2")
def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        slope = slope * (1 - x**2)
    return slope


@record("two", "never advances, and one layer too few")
def sigmoid_chain_grad(x, depth):
    s = torch.sigmoid(x)
    return (s * (1 - s)) ** (depth - 1)


@record("two", "slope at the outputs, and adds the slopes up")
def sigmoid_chain_grad(x, depth):
    total = torch.zeros_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        s = torch.sigmoid(x)
        total = total + s * (1 - s)
    return total


@record("two", "slope formula of tanh, and changes x in place")
def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        x.sigmoid_()
        slope = slope * (1 - x**2)
    return slope


@record("right", "autograd on a detached copy")
def sigmoid_chain_grad(x, depth):
    start = x.detach().clone().requires_grad_()
    y = functools.reduce(lambda value, _: torch.sigmoid(value), range(depth), start)
    (gradient,) = torch.autograd.grad(y, start, torch.ones_like(y))
    return gradient


@record("right", "sum of logarithms with logsigmoid")
def sigmoid_chain_grad(x, depth):
    log = torch.zeros_like(x)
    for _ in range(depth):
        log = log + torch.nn.functional.logsigmoid(x) + torch.nn.functional.logsigmoid(-x)
        x = torch.sigmoid(x)
    return log.exp()


@record("right", "accumulate, stack and prod")
def sigmoid_chain_grad(x, depth):
    states = list(itertools.accumulate(range(depth), lambda v, _: v.sigmoid(), initial=x))
    s = torch.stack(states[1:])
    return (s - s.square()).prod(dim=0)


# ------------------------------------------------------------- backward_deltas


@record("wrong", "slope without the square: 1 - tanh(z)")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(reversed(weights), reversed(pre_activations)):
        delta = (delta @ w) * (1 - torch.tanh(z))
        deltas.insert(0, delta)
    return deltas


@record("wrong", "takes z for the activation: 1 - z**2")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1]):
        deltas.append((deltas[-1] @ w) * (1 - z**2))
    return deltas[::-1]


@record("wrong", "list runs from output to input")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1]):
        deltas.append((deltas[-1] @ w) * (1 - z.tanh() ** 2))
    return deltas


@record("wrong", "leaves the delta of the last layer out")
def backward_deltas(weights, pre_activations, delta):
    deltas = []
    for w, z in zip(weights[::-1], pre_activations[::-1]):
        delta = (delta @ w) * (1 - z.tanh() ** 2)
        deltas.insert(0, delta)
    return deltas


@record("wrong", "multiplies by the transpose")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1]):
        delta = (delta @ w.T) * (1 - z.tanh() ** 2)
        deltas.insert(0, delta)
    return deltas


@record("wrong", "empties the caller's lists with pop")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    while weights:
        w = weights.pop()
        z = pre_activations.pop()
        delta = (delta @ w) * (1 - torch.tanh(z) ** 2)
        deltas.insert(0, delta)
    return deltas


@record("wrong", "every delta is computed from the delta of the last layer")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1]):
        deltas.insert(0, (delta @ w) * (1 - z.tanh() ** 2))
    return deltas


@record("wrong", "forgets the slope altogether")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w in reversed(weights):
        deltas.insert(0, deltas[0] @ w)
    return deltas


@record("two", "slope without the square, and order from output to input")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1]):
        deltas.append((deltas[-1] @ w) * (1 - z.tanh()))
    return deltas


@record("two", "no slope, and the last layer's delta left out")
def backward_deltas(weights, pre_activations, delta):
    deltas = []
    for w in reversed(weights):
        delta = delta @ w
        deltas.insert(0, delta)
    return deltas


@record("two", "takes z for the activation, and empties the lists")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    while weights:
        delta = (delta @ weights.pop()) * (1 - pre_activations.pop() ** 2)
        deltas.insert(0, delta)
    return deltas


@record("right", "einsum and the hyperbolic secant")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for k in range(len(weights) - 1, -1, -1):
        mixed = torch.einsum("bo,oi->bi", deltas[0], weights[k])
        deltas = [mixed / torch.cosh(pre_activations[k]).square(), *deltas]
    return deltas


@record("right", "vector-Jacobian products by autograd")
def backward_deltas(weights, pre_activations, delta):
    deltas = [delta]
    for w, z in zip(weights[::-1], pre_activations[::-1]):
        _, delta = torch.autograd.functional.vjp(lambda v, w=w: torch.tanh(v) @ w.T, z, delta)
        deltas.append(delta)
    return deltas[::-1]


class _Deltas:
    def __call__(self, weights, pre_activations, delta):
        if not weights:
            return [delta]
        w, *others = weights
        z, *later = pre_activations
        rest = self(others, later, delta)
        return [torch.matmul(rest[0], w).mul(1 - z.tanh().square()), *rest]


_deltas = _Deltas()
_deltas.__name__ = _deltas.__qualname__ = "backward_deltas"
record("right", "recursion in a class with __call__", "backward_deltas")(_deltas)


# -------------------------------------------------------------- norm_per_layer


@record("wrong", "root of L, not of L - 1")
def norm_per_layer(norms):
    return (norms[0] / norms[-1]) ** (1 / len(norms))


@record("wrong", "arithmetic mean of the factors")
def norm_per_layer(norms):
    return float(np.mean([a / b for a, b in zip(norms, norms[1:])]))


@record("wrong", "geometric mean of the norms, not of the factors")
def norm_per_layer(norms):
    return math.exp(sum(math.log(n) for n in norms) / len(norms))


@record("wrong", "exp of a mean of log10")
def norm_per_layer(norms):
    logs = [math.log10(a / b) for a, b in zip(norms, norms[1:])]
    return math.exp(sum(logs) / len(logs))


@record("wrong", "fits a line through the logarithms")
def norm_per_layer(norms):
    slope, _ = np.polyfit(np.arange(len(norms)), np.log(norms), 1)
    return float(np.exp(-slope))


@record("wrong", "leaves the last step out: range one short")
def norm_per_layer(norms):
    product = 1.0
    for i in range(len(norms) - 2):
        product *= norms[i] / norms[i + 1]
    return product ** (1 / (len(norms) - 1))


@record("wrong", "returns the mean logarithm without exp")
def norm_per_layer(norms):
    return (math.log(norms[0]) - math.log(norms[-1])) / (len(norms) - 1)


@record("wrong", "chi, the factor of the squared norm")
def norm_per_layer(norms):
    return (norms[0] / norms[-1]) ** (2 / (len(norms) - 1))


@record("two", "root of L, and the way forward")
def norm_per_layer(norms):
    return (norms[-1] / norms[0]) ** (1 / len(norms))


@record("two", "arithmetic mean, and the way forward")
def norm_per_layer(norms):
    return sum(b / a for a, b in zip(norms, norms[1:])) / (len(norms) - 1)


@record("two", "mean of log10 without undoing it, and divided by L")
def norm_per_layer(norms):
    return math.log10(norms[0] / norms[-1]) / len(norms)


@record("right", "statistics.geometric_mean of pairwise factors")
def norm_per_layer(norms):
    return statistics.geometric_mean(a / b for a, b in itertools.pairwise(norms))


@record("right", "diff of a float64 tensor of logarithms")
def norm_per_layer(norms):
    return torch.tensor(norms, dtype=torch.float64).log().diff().mean().neg().exp().item()


@record("right", "product of the roots")
def norm_per_layer(norms):
    steps = len(norms) - 1
    return math.prod((a / b) ** (1 / steps) for a, b in zip(norms, norms[1:]))


# ------------------------------------------------------------------- safe_norm


@record("wrong", "only float64, without a scale")
def safe_norm(values):
    return values.double().norm().item()


@record("wrong", "scales by the largest entry without abs")
def safe_norm(values):
    top = values.max().item()
    if top == 0:
        return 0.0
    return top * (values.double() / top).norm().item()


@record("wrong", "adds an eps to the scale")
def safe_norm(values):
    scale = values.double().abs().max() + 1e-12
    return (scale * (values.double() / scale).norm()).item()


@record("wrong", "undoes the scale with its square root")
def safe_norm(values):
    scale = values.abs().max().item()
    if scale == 0:
        return 0.0
    scaled = values.double() / scale
    return math.sqrt(scale * (scaled**2).sum().item())


@record("wrong", "spectral norm: torch.linalg.norm with ord=2")
def safe_norm(values):
    scale = values.abs().max().item()
    if scale == 0:
        return 0.0
    return scale * torch.linalg.norm(values.double() / scale, ord=2).item()


@record("wrong", "divides the caller's tensor in place")
def safe_norm(values):
    scale = values.abs().max().item()
    if scale == 0:
        return 0.0
    values /= scale
    return scale * values.norm().item()


@record("wrong", "root mean square: mean for sum")
def safe_norm(values):
    scale = values.abs().max().item()
    if scale == 0:
        return 0.0
    return scale * (values.double() / scale).square().mean().sqrt().item()


@record("wrong", "takes anything below 1e-30 for zero")
def safe_norm(values):
    scale = values.abs().max().item()
    if scale < 1e-30:
        return 0.0
    return scale * (values.double() / scale).norm().item()


@record("two", "does not undo the scale, and no guard against zeros")
def safe_norm(values):
    scale = values.abs().max()
    return (values.double() / scale.double()).norm().item()


@record("two", "scales by the largest entry without abs, and no guard against zeros")
def safe_norm(values):
    scale = values.double().max()
    return (scale * torch.linalg.vector_norm(values.double() / scale)).item()


@record("two", "only float64, and no root")
def safe_norm(values):
    return (values.double() ** 2).sum().item()


@record("right", "math.hypot of all entries")
def safe_norm(values):
    return math.hypot(*values.double().flatten().tolist())


@record("right", "logsumexp of twice the logarithms")
def safe_norm(values):
    logs = values.double().abs().log().flatten()
    return torch.exp(torch.logsumexp(2 * logs, dim=0) / 2).item()


@record("right", "scale by a power of two from frexp")
def safe_norm(values):
    values = values.double().reshape(-1).numpy()
    _, power = math.frexp(float(np.abs(values).max()))
    return math.ldexp(float(np.linalg.norm(np.ldexp(values, -power))), power)


# ------------------------------------------------------------- unchanged_share


@record("wrong", "percent")
def unchanged_share(before, after):
    return 100 * (before == after).double().mean().item()


@record("wrong", "divides by the number of rows")
def unchanged_share(before, after):
    return (before == after).sum().item() / len(before)


@record("wrong", "mean of a tensor of bools")
def unchanged_share(before, after):
    return (before == after).mean().item()


@record("wrong", "tolerance of one machine epsilon")
def unchanged_share(before, after):
    tiny = torch.finfo(before.dtype).eps
    return ((before - after).abs() <= tiny).double().mean().item()


@record("wrong", "asks whether the value occurs anywhere: isin")
def unchanged_share(before, after):
    return torch.isin(after, before).double().mean().item()


@record("wrong", "whole-number division")
def unchanged_share(before, after):
    return float((before == after).sum().item() // before.numel())


@record("wrong", "share of the entries that changed")
def unchanged_share(before, after):
    return torch.count_nonzero(before - after).item() / before.numel()


@record("wrong", "rounds to six decimals first")
def unchanged_share(before, after):
    same = torch.round(before, decimals=6) == torch.round(after, decimals=6)
    return same.double().mean().item()


@record("two", "isclose, and percent")
def unchanged_share(before, after):
    return 100 * torch.isclose(before, after).double().mean().item()


@record("two", "counts the changed ones, and divides by the number of rows")
def unchanged_share(before, after):
    return (before != after).sum().item() / before.shape[0]


@record("two", "tolerance, and whole rows")
def unchanged_share(before, after):
    return torch.isclose(before, after).all(dim=-1).double().mean().item()


@record("right", "numpy")
def unchanged_share(before, after):
    return float(np.mean(before.numpy() == after.numpy()))


@record("right", "generator over flat lists")
def unchanged_share(before, after):
    pairs = zip(before.flatten().tolist(), after.flatten().tolist())
    return sum(a == b for a, b in pairs) / before.numel()


@record("right", "one minus the share of non-zero differences")
def unchanged_share(before, after):
    return 1 - torch.count_nonzero(after - before).item() / after.numel()


# ----------------------------------------------------------- adam_first_update


@record("wrong", "divides by the norm of the whole tensor")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient.norm() + eps)


@record("wrong", "torch.optim.Adam with its own eps")
def adam_first_update(gradient, lr, eps):
    weights = torch.nn.Parameter(torch.zeros_like(gradient))
    weights.grad = gradient.clone()
    torch.optim.Adam([weights], lr=lr).step()
    return weights.detach()


@record("wrong", "eps joins before the bias correction (epsilon hat)")
def adam_first_update(gradient, lr, eps):
    b1, b2 = 0.9, 0.999
    m = (1 - b1) * gradient
    v = (1 - b2) * gradient**2
    step = lr * math.sqrt(1 - b2) / (1 - b1)
    return -step * m / (v.sqrt() + eps)


@record("wrong", "forgets that the root of a square is the absolute value")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient + eps)


@record("wrong", "no square root of the second average")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient**2 + eps)


@record("wrong", "corrects only the first average for bias")
def adam_first_update(gradient, lr, eps):
    m = (1 - 0.9) * gradient / (1 - 0.9)
    v = (1 - 0.999) * gradient**2
    return -lr * m / (torch.sqrt(v) + eps)


@record("wrong", "brackets: eps is added to the quotient")
def adam_first_update(gradient, lr, eps):
    return -lr * (gradient / gradient.abs() + eps)


@record("wrong", "changes the gradient in place")
def adam_first_update(gradient, lr, eps):
    gradient /= gradient.abs() + eps
    gradient *= -lr
    return gradient


@record("two", "no minus, and no learning rate")
def adam_first_update(gradient, lr, eps):
    return gradient / (gradient.abs() + eps)


@record("two", "eps inside the root, and no minus")
def adam_first_update(gradient, lr, eps):
    return lr * gradient / torch.sqrt(gradient**2 + eps)


@record("two", "no bias correction, and eps inside the root")
def adam_first_update(gradient, lr, eps):
    m = 0.1 * gradient
    v = 0.001 * gradient**2
    return -lr * m / torch.sqrt(v + eps)


@record("right", "torch.optim.Adam with the eps given")
def adam_first_update(gradient, lr, eps):
    weights = torch.nn.Parameter(torch.zeros_like(gradient))
    weights.grad = gradient.clone()
    torch.optim.Adam([weights], lr=lr, eps=eps).step()
    return weights.detach()


@record("right", "copysign of lr / (1 + eps / |g|)")
def adam_first_update(gradient, lr, eps):
    return torch.copysign(lr / (1 + eps / gradient.abs()), -gradient)


@record("right", "both averages in full, in numpy")
def adam_first_update(gradient, lr, eps):
    g = gradient.numpy().astype(np.float64)
    m, v = 0.0, 0.0
    m = 0.9 * m + (1 - 0.9) * g
    v = 0.999 * v + (1 - 0.999) * g * g
    step = -lr * (m / (1 - 0.9)) / (np.sqrt(v / (1 - 0.999)) + eps)
    return torch.as_tensor(step).to(gradient.dtype)


# ---------------------------------------------------------------- layer_ledger


@record("wrong", "the slopes' decades are counted from delta: the total")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    out = mixed * s * (1 - s)
    return [
        torch.log10(delta.norm() / mixed.norm()).item(),
        torch.log10(delta.norm() / out.norm()).item(),
    ]


@record("wrong", "slopes: logarithm of the mean slope")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    return [
        math.log10(delta.norm() / mixed.norm()),
        -math.log10((s * (1 - s)).mean()),
    ]


@record("wrong", "sums of squares without the root")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    out = mixed * s * (1 - s)
    a, b, c = (math.log10((t**2).sum()) for t in (delta, mixed, out))
    return [a - b, b - c]


@record("wrong", "norm of each example, then the mean of the logarithms")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    out = mixed * s * (1 - s)
    a, b, c = (t.norm(dim=1).log10().mean().item() for t in (delta, mixed, out))
    return [a - b, b - c]


@record("wrong", "multiplies by the sigmoid, not by its slope")
def layer_ledger(delta, weight, z):
    mixed = delta @ weight
    out = mixed * torch.sigmoid(z)
    a, b, c = (math.log10(t.norm()) for t in (delta, mixed, out))
    return [a - b, b - c]


@record("wrong", "weights: logarithm of the norm of the matrix")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    out = mixed * s * (1 - s)
    return [
        -math.log10(weight.norm()),
        math.log10(mixed.norm()) - math.log10(out.norm()),
    ]


@record("wrong", "slope z * (1 - z): z taken for the activation")
def layer_ledger(delta, weight, z):
    mixed = delta @ weight
    out = mixed * z * (1 - z)
    a, b, c = (math.log10(t.norm()) for t in (delta, mixed, out))
    return [a - b, b - c]


@record("wrong", "three numbers: the total as well")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    out = mixed * s * (1 - s)
    a, b, c = (math.log10(t.norm()) for t in (delta, mixed, out))
    return [a - b, b - c, a - c]


@record("two", "natural logarithm, and sign turned round")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    out = mixed * s * (1 - s)
    a, b, c = (math.log(t.norm()) for t in (delta, mixed, out))
    return [b - a, c - b]


@record("two", "slopes first, and squares without the root")
def layer_ledger(delta, weight, z):
    s = torch.sigmoid(z)
    mixed = delta @ weight
    out = mixed * s * (1 - s)
    a, b, c = (math.log10((t**2).sum()) for t in (delta, mixed, out))
    return [b - c, a - b]


@record("two", "slope of tanh, and norm of each example")
def layer_ledger(delta, weight, z):
    mixed = delta @ weight
    out = mixed * (1 - torch.tanh(z) ** 2)
    a, b, c = (t.norm(dim=1).mean().log10().item() for t in (delta, mixed, out))
    return [a - b, b - c]


@record("right", "vector-Jacobian products, and a tuple")
def layer_ledger(delta, weight, z):
    h, mixed = torch.autograd.functional.vjp(lambda v: v @ weight.T, torch.sigmoid(z), delta)
    _, out = torch.autograd.functional.vjp(torch.sigmoid, z, mixed)
    sizes = [math.log10(float(t.norm())) for t in (delta, mixed, out)]
    return sizes[0] - sizes[1], sizes[1] - sizes[2]


@record("right", "einsum, half the logarithm of the sum of squares, numpy array")
def layer_ledger(delta, weight, z):
    mixed = torch.einsum("bo,oi->bi", delta, weight)
    out = mixed / (2 + z.exp() + (-z).exp())
    squares = np.array([t.square().sum().item() for t in (delta, mixed, out)])
    return -np.diff(np.log10(squares)) / 2


record("right", "one lambda with a generator", "layer_ledger")(
    lambda delta, weight, z: [
        (a.norm() / b.norm()).log10().item()
        for a, b in itertools.pairwise(
            (delta, delta @ weight, (delta @ weight) * z.sigmoid() * (-z).sigmoid())
        )
    ]
)


# --------------------------------------------------------------------- effects


@record("wrong", "interaction halved, as in Yates's tables")
def effects(lost):
    (neither, second), (first, both) = lost
    a = (neither - first + second - both) / 2
    b = (neither - second + first - both) / 2
    return [a, b, (first + second - neither - both) / 2]


@record("wrong", "interaction: what both save beyond the two main effects")
def effects(lost):
    (neither, second), (first, both) = lost
    a = (neither - first + second - both) / 2
    b = (neither - second + first - both) / 2
    return [a, b, (neither - both) - (a + b)]


@record("wrong", "main effects as deviations from the grand mean")
def effects(lost):
    table = np.array(lost, dtype=float)
    rows = table.mean() - table.mean(axis=1)
    columns = table.mean() - table.mean(axis=0)
    interaction = table[0, 1] + table[1, 0] - table[0, 0] - table[1, 1]
    return [float(rows[1]), float(columns[1]), float(interaction)]


@record("wrong", "what each saves once the other is there")
def effects(lost):
    (neither, second), (first, both) = lost
    return [second - both, first - both, first + second - neither - both]


@record("wrong", "interaction: all that both save together")
def effects(lost):
    (neither, second), (first, both) = lost
    a = (neither - first + second - both) / 2
    b = (neither - second + first - both) / 2
    return [a, b, neither - both]


@record("wrong", "size of the interaction, without its sign")
def effects(lost):
    (neither, second), (first, both) = lost
    a = (neither - first + second - both) / 2
    b = (neither - second + first - both) / 2
    return [a, b, abs(first + second - neither - both)]


@record("wrong", "adds the two savings, and forgets to halve")
def effects(lost):
    (neither, second), (first, both) = lost
    a = (neither - first) + (second - both)
    b = (neither - second) + (first - both)
    return [a, b, (neither - both) - (neither - first) - (neither - second)]


@record("wrong", "compares both with neither: averages over the diagonal")
def effects(lost):
    (neither, second), (first, both) = lost
    a = ((neither - first) + (neither - both)) / 2
    b = ((neither - second) + (neither - both)) / 2
    return [a, b, first + second - neither - both]


@record("two", "main effects as costs, and not halved")
def effects(lost):
    (neither, second), (first, both) = lost
    a = (first - neither) + (both - second)
    b = (second - neither) + (both - first)
    return [a, b, first + second - neither - both]


@record("two", "first and second exchanged, and interaction halved")
def effects(lost):
    (neither, first), (second, both) = lost
    a = (neither - first + second - both) / 2
    b = (neither - second + first - both) / 2
    return [a, b, (first + second - neither - both) / 2]


@record("two", "savings without the other change, and interaction without its sign")
def effects(lost):
    (neither, second), (first, both) = lost
    return [neither - first, neither - second, abs(first + second - neither - both)]


@record("right", "a matrix of contrasts")
def effects(lost):
    contrasts = np.array([[0.5, 0.5, -0.5, -0.5], [0.5, -0.5, 0.5, -0.5], [-1, 1, 1, -1]])
    return (contrasts @ np.ravel(lost)).tolist()


@record("right", "einsum of signs, and a tensor of results as a list")
def effects(lost):
    table = torch.tensor(lost, dtype=torch.float64)
    sign, mean = torch.tensor([1.0, -1.0]).double(), torch.tensor([0.5, 0.5]).double()
    pairs = ((sign, mean), (mean, sign), (-sign, sign))
    return [torch.einsum("ij,i,j->", table, a, b).item() for a, b in pairs]


@record("right", "means of rows and columns, tuple")
def effects(lost):
    top, bottom = (statistics.fmean(row) for row in lost)
    left, right = (statistics.fmean(column) for column in zip(*lost))
    trace, other = lost[0][0] + lost[1][1], lost[0][1] + lost[1][0]
    return top - bottom, left - right, other - trace


# ----------------------------------------------------------------- first_depth


@record("wrong", "log10 of the ratios against the natural logarithm of the share")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if np.log10(row).mean() < math.log(share):
            return depth
    return math.inf


@record("wrong", "gives up at the first depth that is not below: return in the else branch")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if statistics.geometric_mean(row) < share:
            return depth
        else:
            return math.inf


@record("wrong", "product without the root")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if math.prod(row) < share:
            return depth
    return math.inf


@record("wrong", "first row taken for depth 1")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=1):
        if np.exp(np.mean(np.log(row))) < share:
            return depth
    return math.inf


@record("wrong", "waits until every network is below")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if all(ratio < share for ratio in row):
            return depth
    return math.inf


@record("wrong", "the last depth below, because the loop goes on")
def first_depth(ratios, share):
    found = math.inf
    for depth, row in enumerate(ratios, start=2):
        if np.log(row).mean() < np.log(share):
            found = depth
    return found


@record("wrong", "no inf: None when there is no such depth")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if np.log(row).mean() < np.log(share):
            return depth


@record("wrong", "root of the number of depths, not of networks")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if math.prod(row) ** (1 / len(ratios)) < share:
            return depth
    return math.inf


@record("two", "arithmetic mean, and first row taken for depth 0")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios):
        if np.mean(row) < share:
            return depth
    return math.inf


@record("two", "median, and at or below")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if np.median(row) <= share:
            return depth
    return math.inf


@record("two", "product without the root, and minus one when there is none")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, start=2):
        if np.prod(row) < share:
            return depth
    return -1


@record("right", "next of a generator with statistics.geometric_mean")
def first_depth(ratios, share):
    typical = map(statistics.geometric_mean, ratios)
    return next((depth for depth, mean in enumerate(typical, 2) if mean < share), math.inf)


@record("right", "recursion over the rows, log2")
def first_depth(ratios, share):
    def search(rows, depth):
        if not rows:
            return float("inf")
        head, *tail = rows
        below = math.fsum(map(math.log2, head)) < len(head) * math.log2(share)
        return depth if below else search(tail, depth + 1)

    return search(list(ratios), 2)


@record("right", "flatnonzero of an array of means, as float")
def first_depth(ratios, share):
    means = np.array([np.log(np.asarray(row, dtype=float)).mean() for row in ratios])
    hits = np.flatnonzero(means < np.log(share))
    return float(hits[0] + 2) if hits.size else np.inf


# ------------------------------------------------------------------- leaky_std


@record("wrong", "the bound of the uniform distribution")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(6 / ((1 + negative_slope**2) * fan_in))


@record("wrong", "calculate_gain with its own default slope")
def leaky_std(negative_slope, fan_in):
    return torch.nn.init.calculate_gain("leaky_relu") / math.sqrt(fan_in)


@record("wrong", "brackets: multiplied by fan_in")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / (1 + negative_slope**2) * fan_in)


@record("wrong", "square of the mean slope")
def leaky_std(negative_slope, fan_in):
    mean = (1 + negative_slope) / 2
    return 1 / math.sqrt(mean**2 * fan_in)


@record("wrong", "sum of the squared slopes, not their mean")
def leaky_std(negative_slope, fan_in):
    return 1 / math.sqrt((1 + negative_slope**2) * fan_in)


@record("wrong", "minus sign: 1 - slope squared")
def leaky_std(negative_slope, fan_in):
    if negative_slope == 1:
        return math.inf
    return math.sqrt(2 / ((1 - negative_slope**2) * fan_in))


@record("wrong", "fan_in outside the root")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / (1 + negative_slope**2)) / fan_in


@record("wrong", "the gain alone, without fan_in")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2 / (1 + negative_slope**2))


@record("two", "variance, and slope not squared")
def leaky_std(negative_slope, fan_in):
    return 2 / ((1 + negative_slope) * fan_in)


@record("two", "bound of the uniform distribution, and default slope")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(3) * torch.nn.init.calculate_gain("leaky_relu") / math.sqrt(fan_in)


@record("two", "sum for mean, and slope not squared")
def leaky_std(negative_slope, fan_in):
    return (1 / ((1 + negative_slope) * fan_in)) ** 0.5


@record("right", "calculate_gain with the slope")
def leaky_std(negative_slope, fan_in):
    return torch.nn.init.calculate_gain("leaky_relu", negative_slope) / math.sqrt(fan_in)


@record("right", "hypot")
def leaky_std(negative_slope, fan_in):
    return math.sqrt(2) / (math.hypot(1, negative_slope) * math.sqrt(fan_in))


class _Leaky:
    slopes = staticmethod(lambda a: np.array([1.0, a]))

    def __call__(self, negative_slope, fan_in):
        return float(1 / np.linalg.norm(self.slopes(negative_slope) * np.sqrt(fan_in / 2)))


_leaky = _Leaky()
record("right", "class with __call__ and a norm of slopes", "leaky_std")(_leaky)
