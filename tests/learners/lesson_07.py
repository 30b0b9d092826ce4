"""Learners' answers to the exercises of lesson 07."""

# ruff: noqa: F811, RET503

import functools
import math
import statistics

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 7.1 layer_factor


@record("wrong", "swaps the two norms")
def layer_factor(slopes, outputs, norm):
    square = slopes.square().mean()
    if norm == "layer":
        return math.sqrt(square / outputs.var(correction=0))
    return math.sqrt(square / outputs.square().mean())


@record("wrong", "divides the variance by one sample less")
def layer_factor(slopes, outputs, norm):
    below = outputs.var() if norm == "batch" else outputs.square().mean()
    return math.sqrt(slopes.square().mean() / below)


@record("wrong", "forgets the root")
def layer_factor(slopes, outputs, norm):
    below = outputs.var(correction=0) if norm == "batch" else outputs.square().mean()
    return (slopes.square().mean() / below).item()


@record("wrong", "turns the fraction upside down")
def layer_factor(slopes, outputs, norm):
    above = outputs.var(correction=0) if norm == "batch" else outputs.square().mean()
    return math.sqrt(above / slopes.square().mean())


@record("wrong", "takes the mean slope before the square")
def layer_factor(slopes, outputs, norm):
    below = outputs.var(correction=0) if norm == "batch" else outputs.square().mean()
    return math.sqrt(slopes.mean() ** 2 / below)


@record("wrong", "ignores which norm it is and always takes the mean square")
def layer_factor(slopes, outputs, norm):
    return math.sqrt(slopes.square().mean() / outputs.square().mean())


@record("wrong", "ignores which norm it is and always takes the variance")
def layer_factor(slopes, outputs, norm):
    return math.sqrt(slopes.square().mean() / outputs.var(correction=0))


@record("wrong", "squares the mean output for the layer norm")
def layer_factor(slopes, outputs, norm):
    below = outputs.var(correction=0) if norm == "batch" else outputs.mean() ** 2
    return math.sqrt(slopes.square().mean() / below)


@record("wrong", "takes the standard deviation for the variance")
def layer_factor(slopes, outputs, norm):
    below = outputs.std(correction=0) if norm == "batch" else outputs.square().mean()
    return math.sqrt(slopes.square().mean() / below)


@record("wrong", "returns nothing for the layer norm")
def layer_factor(slopes, outputs, norm):
    if norm == "batch":
        return math.sqrt(slopes.square().mean() / outputs.var(correction=0))


@record("wrong", "misspells the name of the batch norm")
def layer_factor(slopes, outputs, norm):
    if norm == "layer":
        return math.sqrt(slopes.square().mean() / outputs.square().mean())
    if norm == "batchnorm":
        return math.sqrt(slopes.square().mean() / outputs.var(correction=0))
    raise ValueError(norm)


@record("wrong", "adds 0.01 below the fraction line")
def layer_factor(slopes, outputs, norm):
    below = outputs.var(correction=0) if norm == "batch" else outputs.square().mean()
    return math.sqrt(slopes.square().mean() / (below + 1e-2))


@record("wrong", "subtracts the mean of the slopes as well")
def layer_factor(slopes, outputs, norm):
    if norm == "batch":
        return math.sqrt(slopes.var(correction=0) / outputs.var(correction=0))
    return math.sqrt(slopes.square().mean() / outputs.square().mean())


@record("wrong", "subtracts the mean from the tensor that it was given")
def layer_factor(slopes, outputs, norm):
    if norm == "batch":
        outputs -= outputs.mean()
    return math.sqrt(slopes.square().mean() / outputs.square().mean())


@record("wrong", "forgets the square of the slopes")
def layer_factor(slopes, outputs, norm):
    below = outputs.var(correction=0) if norm == "batch" else outputs.square().mean()
    return math.sqrt(slopes.mean() / below)


@record("wrong", "subtracts the mean without squaring it")
def layer_factor(slopes, outputs, norm):
    mean = outputs.mean() if norm == "batch" else 0
    return math.sqrt(slopes.square().mean() / (outputs.square().mean() - mean))


@record("wrong", "leaves the root off the denominator")
def layer_factor(slopes, outputs, norm):
    below = outputs.var(correction=0) if norm == "batch" else outputs.square().mean()
    return (slopes.square().mean().sqrt() / below).item()


@record("wrong", "averages the quotient of each sample")
def layer_factor(slopes, outputs, norm):
    centred = outputs - outputs.mean() if norm == "batch" else outputs
    return (slopes.square() / centred.square()).mean().sqrt().item()


@record("right", "the standard library on lists")
def layer_factor(slopes, outputs, norm):
    slopes, outputs = slopes.tolist(), outputs.tolist()
    centre = statistics.fmean(outputs) if norm == "batch" else 0.0
    squares = [(h - centre) ** 2 for h in outputs]
    return math.sqrt(math.fsum(s * s for s in slopes) / math.fsum(squares))


@record("right", "numpy and match, returns a numpy scalar")
def layer_factor(slopes, outputs, norm):
    s, h = slopes.double().numpy(), outputs.double().numpy()
    match norm:
        case "layer":
            return np.linalg.norm(s) / np.linalg.norm(h)
        case "batch":
            return np.sqrt(np.mean(s**2)) / np.std(h)


@record("right", "a table of functions, returns a tensor without dimensions")
def layer_factor(slopes, outputs, norm):
    ways = {"layer": lambda h: h.norm(), "batch": lambda h: (h - h.mean()).norm()}
    return slopes.double().norm() / ways[norm](outputs.double())


@record("two", "forgets the root and divides the variance by one sample less")
def layer_factor(slopes, outputs, norm):
    below = outputs.var() if norm == "batch" else outputs.square().mean()
    return (slopes.square().mean() / below).item()


@record("two", "swaps the two norms and turns the fraction upside down")
def layer_factor(slopes, outputs, norm):
    above = outputs.var(correction=0) if norm == "layer" else outputs.square().mean()
    return math.sqrt(above / slopes.square().mean())


@record("two", "takes the mean slope before the square and divides the variance by one less")
def layer_factor(slopes, outputs, norm):
    if norm == "layer":
        return (slopes.mean().abs() / outputs.square().mean().sqrt()).item()
    return (slopes.mean().abs() / outputs.std()).item()


# 7.2 running_variance


@record("wrong", "starts at 0")
def running_variance(batches, momentum):
    v = torch.zeros(batches[0].shape[1])
    for x in batches:
        v = (1 - momentum) * v + momentum * x.var(dim=0)
    return v


@record("wrong", "divides by the size of the batch")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in batches:
        v = (1 - momentum) * v + momentum * x.var(dim=0, correction=0)
    return v


@record("wrong", "counts momentum as Keras does")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in batches:
        v = momentum * v + (1 - momentum) * x.var(dim=0)
    return v


@record("wrong", "takes the variance over the units")
def running_variance(batches, momentum):
    v = torch.ones(1)
    for x in batches:
        v = (1 - momentum) * v + momentum * x.var(dim=1)
    return v


@record("wrong", "takes the standard deviation for the variance")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in batches:
        v = (1 - momentum) * v + momentum * x.std(dim=0)
    return v


@record("wrong", "starts with the variance of the first batch")
def running_variance(batches, momentum):
    v = batches[0].var(dim=0)
    for x in batches[1:]:
        v = (1 - momentum) * v + momentum * x.var(dim=0)
    return v


@record("wrong", "looks at the last batch only")
def running_variance(batches, momentum):
    return (1 - momentum) + momentum * batches[-1].var(dim=0)


@record("wrong", "joins all batches into one")
def running_variance(batches, momentum):
    return (1 - momentum) + momentum * torch.cat(batches).var(dim=0)


@record("wrong", "starts with the last batch")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in reversed(batches):
        v = (1 - momentum) * v + momentum * x.var(dim=0)
    return v


@record("wrong", "adds without letting the old value fade")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in batches:
        v = v + momentum * x.var(dim=0)
    return v


@record("wrong", "returns the running mean")
def running_variance(batches, momentum):
    norm = nn.BatchNorm1d(batches[0].shape[1], momentum=momentum, dtype=batches[0].dtype)
    for x in batches:
        norm(x)
    return norm.running_mean


@record("wrong", "takes one variance over all units")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in batches:
        v = (1 - momentum) * v + momentum * x.var()
    return v


@record("wrong", "leaves momentum at PyTorch's default")
def running_variance(batches, momentum):
    norm = nn.BatchNorm1d(batches[0].shape[1], dtype=batches[0].dtype)
    for x in batches:
        norm(x)
    return norm.running_var


@record("wrong", "puts the norm into evaluation mode")
def running_variance(batches, momentum):
    norm = nn.BatchNorm1d(batches[0].shape[1], momentum=momentum, dtype=batches[0].dtype)
    norm.eval()
    for x in batches:
        norm(x)
    return norm.running_var


@record("wrong", "does not subtract the mean")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in batches:
        square = x.square().sum(dim=0) / (len(x) - 1)
        v = (1 - momentum) * v + momentum * square
    return v


@record("wrong", "takes the mean of the batches' variances")
def running_variance(batches, momentum):
    mean = torch.stack([x.var(dim=0) for x in batches]).mean(dim=0)
    return (1 - momentum) + momentum * mean


@record("wrong", "gives momentum in the place of eps")
def running_variance(batches, momentum):
    norm = nn.BatchNorm1d(batches[0].shape[1], momentum, dtype=batches[0].dtype)
    for x in batches:
        norm(x)
    return norm.running_var


@record("wrong", "starts afresh with every batch")
def running_variance(batches, momentum):
    for x in batches:
        v = torch.ones(x.shape[1])
        v = (1 - momentum) * v + momentum * x.var(dim=0)
    return v


@record("right", "PyTorch's own layer")
def running_variance(batches, momentum):
    norm = nn.BatchNorm1d(batches[0].shape[1], momentum=momentum, dtype=batches[0].dtype)
    for x in batches:
        norm(x)
    return norm.running_var


@record("right", "torch.lerp in a reduce")
def running_variance(batches, momentum):
    start = torch.ones_like(batches[0][0])
    return functools.reduce(lambda v, x: torch.lerp(v, x.var(dim=0), momentum), batches, start)


@record("right", "numpy, the weight of each batch in closed form")
def running_variance(batches, momentum):
    keep, n = 1 - momentum, len(batches)
    variances = np.array([x.double().numpy().var(axis=0, ddof=1) for x in batches])
    weights = momentum * keep ** np.arange(n)[::-1]
    return torch.from_numpy(keep**n + weights @ variances)


@record("right", "recursion from the last batch")
def running_variance(batches, momentum):
    def held(seen):
        if not seen:
            return torch.ones(batches[0].shape[1], dtype=batches[0].dtype)
        before = held(seen[:-1])
        return before + momentum * (seen[-1].var(dim=0) - before)

    return held(batches)


@record("two", "starts at 0 and divides by the size of the batch")
def running_variance(batches, momentum):
    v = torch.zeros(batches[0].shape[1])
    for x in batches:
        v = (1 - momentum) * v + momentum * x.var(dim=0, unbiased=False)
    return v


@record("two", "counts momentum as Keras does and divides by the size of the batch")
def running_variance(batches, momentum):
    v = torch.ones(batches[0].shape[1])
    for x in batches:
        v = momentum * v + (1 - momentum) * x.var(dim=0, correction=0)
    return v


@record("two", "starts at 0 and counts momentum as Keras does")
def running_variance(batches, momentum):
    v = 0
    for x in batches:
        v = momentum * v + (1 - momentum) * x.var(dim=0)
    return v


@record("two", "starts with the variance of the first batch and takes the standard deviation")
def running_variance(batches, momentum):
    v = batches[0].std(dim=0)
    for x in batches[1:]:
        v = (1 - momentum) * v + momentum * x.std(dim=0)
    return v


# 7.3 batch_norm_with_gradient


def normalise(x, eps):
    spread = torch.sqrt(x.var(dim=0, correction=0) + eps)
    return (x - x.mean(dim=0)) / spread, spread


@record("wrong", "divides the variance by one input less")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean(dim=0)) / torch.sqrt(x.var(dim=0) + eps)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "takes the variance for a constant")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    spread = torch.sqrt(x.var(dim=0, correction=0) + eps).detach()
    y = (x - x.mean(dim=0)) / spread
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "takes the mean for a constant")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean(dim=0).detach()) / torch.sqrt(x.var(dim=0, correction=0) + eps)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "takes mean and variance for constants")
def batch_norm_with_gradient(x, upstream, eps):
    y, spread = normalise(x, eps)
    return [y, upstream / spread]


@record("wrong", "ignores upstream")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y, _ = normalise(x, eps)
    y.sum().backward()
    return [y.detach(), x.grad]


@record("wrong", "adds eps to the standard deviation")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean(dim=0)) / (x.std(dim=0, correction=0) + eps)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "normalises each input over its units")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    spread = torch.sqrt(x.var(dim=1, correction=0, keepdim=True) + eps)
    y = (x - x.mean(dim=1, keepdim=True)) / spread
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "lists the gradient first")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y, _ = normalise(x, eps)
    return [*torch.autograd.grad(y, x, upstream), y.detach()]


@record("wrong", "adds the term of the variance instead of subtracting it")
def batch_norm_with_gradient(x, upstream, eps):
    y, spread = normalise(x, eps)
    through_variance = y * (upstream * y).mean(dim=0)
    return [y, (upstream - upstream.mean(dim=0) + through_variance) / spread]


@record("wrong", "sums over the batch where a mean belongs")
def batch_norm_with_gradient(x, upstream, eps):
    y, spread = normalise(x, eps)
    through = upstream.sum(dim=0) + y * (upstream * y).sum(dim=0)
    return [y, (upstream - through) / spread]


@record("wrong", "forgets eps")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y, _ = normalise(x, 0)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "takes PyTorch's eps whatever it is given")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = functional.batch_norm(x, None, None, training=True)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "returns the gradient at the output")
def batch_norm_with_gradient(x, upstream, eps):
    return [normalise(x, eps)[0], upstream]


@record("wrong", "forgets to switch the norm to training")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = functional.batch_norm(x, None, None, eps=eps)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "divides by the variance instead of the standard deviation")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + eps)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("wrong", "multiplies by the spread on the way back")
def batch_norm_with_gradient(x, upstream, eps):
    y, spread = normalise(x, eps)
    inner = upstream - upstream.mean(dim=0) - y * (upstream * y).mean(dim=0)
    return [y, inner * spread]


@record("wrong", "calls backward without upstream on a whole tensor")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y, _ = normalise(x, eps)
    y.backward()
    return [y.detach(), x.grad]


@record("wrong", "returns the gradient only")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y, _ = normalise(x, eps)
    y.backward(upstream)
    return x.grad


@record("wrong", "takes one mean and one variance over all units")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean()) / torch.sqrt(x.var(correction=0) + eps)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("right", "by hand, three terms")
def batch_norm_with_gradient(x, upstream, eps):
    y, spread = normalise(x, eps)
    inner = upstream - upstream.mean(dim=0) - y * (upstream * y).mean(dim=0)
    return [y, inner / spread]


@record("right", "PyTorch's own layer in training mode")
def batch_norm_with_gradient(x, upstream, eps):
    norm = nn.BatchNorm1d(x.shape[1], eps=eps, affine=False, dtype=x.dtype)
    x = x.detach().clone().requires_grad_()
    y = norm(x)
    return [y.detach(), torch.autograd.grad(y, x, upstream)[0]]


@record("right", "vjp, returns a tuple")
def batch_norm_with_gradient(x, upstream, eps):
    y, back = torch.func.vjp(lambda t: normalise(t, eps)[0], x)
    return y, back(upstream)[0]


@record("right", "the whole Jacobian of one unit at a time")
def batch_norm_with_gradient(x, upstream, eps):
    y, spread = normalise(x, eps)
    n = len(x)
    flat = torch.eye(n, dtype=x.dtype) - torch.ones(n, n, dtype=x.dtype) / n
    columns = [
        (flat - torch.outer(v, v) / n) @ g / s
        for v, g, s in zip(y.T, upstream.T, spread, strict=True)
    ]
    return [y, torch.stack(columns, dim=1)]


@record("right", "a sum with upstream, on the tensor that it was given")
def batch_norm_with_gradient(x, upstream, eps):
    x.requires_grad_()
    y, _ = normalise(x, eps)
    return [y, torch.autograd.grad((y * upstream).sum(), x)[0]]


@record("two", "divides the variance by one input less and takes the mean for a constant")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean(dim=0).detach()) / torch.sqrt(x.var(dim=0) + eps)
    y.backward(upstream)
    return [y.detach(), x.grad]


@record("two", "takes mean and variance for constants and forgets eps")
def batch_norm_with_gradient(x, upstream, eps):
    spread = x.std(dim=0, correction=0)
    return [(x - x.mean(dim=0)) / spread, upstream / spread]


@record("two", "ignores upstream and divides the variance by one input less")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean(dim=0)) / torch.sqrt(x.var(dim=0) + eps)
    y.sum().backward()
    return [y.detach(), x.grad]


@record("two", "lists the gradient first and adds eps to the standard deviation")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_()
    y = (x - x.mean(dim=0)) / (x.std(dim=0, correction=0) + eps)
    y.backward(upstream)
    return [x.grad, y.detach()]
