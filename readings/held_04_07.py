"""Held-out learners' answers to the exercises of lessons 04 to 07, written without the sheet."""

# ruff: noqa: F811, F821, RET503, T201

import functools
import math
import statistics
from decimal import Decimal, getcontext

import numpy as np
import scipy.linalg
import scipy.stats
import torch
from torch import nn

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# ----------------------------------------------------------------- 4.2 critical_gain


@record("wrong", "squares the mean instead of averaging the squares")
def critical_gain(slopes):
    return 1 / math.sqrt(slopes.mean().item() ** 2)


@record("wrong", "forgets the reciprocal: the rms slope itself")
def critical_gain(slopes):
    return slopes.square().mean().sqrt().item()


@record("wrong", "forgets the root: sigma_w squared")
def critical_gain(slopes):
    return 1 / slopes.square().mean().item()


@record("wrong", "takes the standard deviation of the slopes for their rms")
def critical_gain(slopes):
    return 1 / slopes.std(unbiased=False).item()


@record("wrong", "sum for mean: the norm of the slopes")
def critical_gain(slopes):
    return 1 / slopes.norm().item()


@record("wrong", "leaves the zero slopes out of the mean")
def critical_gain(slopes):
    active = slopes[slopes != 0]
    return 1 / active.square().mean().sqrt().item()


@record("wrong", "len(slopes) for the number of slopes: the rows only")
def critical_gain(slopes):
    total = (slopes**2).sum().item()
    return math.sqrt(len(slopes) / total)


@record("wrong", "rounds to two decimals")
def critical_gain(slopes):
    return round(1 / slopes.square().mean().sqrt().item(), 2)


@record("two", "squares the mean, and forgets the root")
def critical_gain(slopes):
    return 1 / slopes.mean().item() ** 2


@record("two", "standard deviation for rms, and forgets the reciprocal")
def critical_gain(slopes):
    return slopes.std(unbiased=False).item()


@record("two", "sum for mean, and forgets the root")
def critical_gain(slopes):
    return 1 / (slopes**2).sum().item()


@record("right", "numpy, Frobenius norm")
def critical_gain(slopes):
    values = slopes.numpy()
    return float(np.sqrt(values.size) / np.linalg.norm(values.ravel()))


@record("right", "math.hypot of all slopes")
def critical_gain(slopes):
    values = slopes.flatten().tolist()
    return len(values) ** 0.5 / math.hypot(*values)


@record("right", "einsum over the flattened slopes, power -1/2")
def critical_gain(slopes):
    flat = slopes.reshape(-1).double()
    return (torch.einsum("i,i->", flat, flat) / flat.numel()).pow(-0.5).item()


# -------------------------------------------------------------------- 4.3 dead_share


@record("wrong", "asks along the units: share of pictures")
def dead_share(pre_activations):
    return (pre_activations <= 0).all(dim=1).double().mean().item()


@record("wrong", "strict <: a unit at exactly 0 counts as alive")
def dead_share(pre_activations):
    return (pre_activations < 0).all(dim=0).double().mean().item()


@record("wrong", "share of the entries that are off, not of the units")
def dead_share(pre_activations):
    return (pre_activations <= 0).double().mean().item()


@record("wrong", "any for all: off for at least one picture")
def dead_share(pre_activations):
    return (pre_activations <= 0).any(dim=0).double().mean().item()


@record("wrong", "divides the number of dead units by the number of pictures")
def dead_share(pre_activations):
    dead = (pre_activations <= 0).all(dim=0).sum().item()
    return dead / len(pre_activations)


@record("wrong", "the share of units that live")
def dead_share(pre_activations):
    return (pre_activations > 0).any(dim=0).double().mean().item()


@record("wrong", "units whose mean pre-activation is not positive")
def dead_share(pre_activations):
    return (pre_activations.mean(dim=0) <= 0).double().mean().item()


@record("wrong", "takes the mean of booleans, which torch refuses")
def dead_share(pre_activations):
    return (pre_activations <= 0).all(dim=0).mean().item()


@record("two", "wrong dimension, and strict <")
def dead_share(pre_activations):
    return (pre_activations < 0).all(dim=1).double().mean().item()


@record("two", "strict <, and in per cent")
def dead_share(pre_activations):
    return 100 * (pre_activations < 0).all(dim=0).double().mean().item()


@record("two", "any for all, and a count in place of a share")
def dead_share(pre_activations):
    return float((pre_activations <= 0).any(dim=0).sum())


@record("right", "numpy: the largest of each column")
def dead_share(pre_activations):
    return float(np.mean(pre_activations.numpy().max(axis=0) <= 0))


@record("right", "zip over columns in plain Python")
def dead_share(pre_activations):
    columns = list(zip(*pre_activations.tolist()))
    return sum(not any(z > 0 for z in column) for column in columns) / len(columns)


@record("right", "asks autograd for the slopes of relu")
def dead_share(pre_activations):
    z = pre_activations.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(torch.relu(z).sum(), z)
    return 1 - slope.amax(dim=0).double().mean().item()


# -------------------------------------------------------------------- 5.1 weight_std


@record("wrong", "fan_in for fan_out: keeps the forward variance")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_in * slopes.square().mean().item())


@record("wrong", "Xavier's compromise of the two fans")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(2 / ((fan_in + fan_out) * slopes.square().mean().item()))


@record("wrong", "He's 2 whatever the slopes are")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(2 / fan_out)


@record("wrong", "forgets the root: the variance")
def weight_std(slopes, fan_in, fan_out):
    return 1 / (fan_out * slopes.square().mean().item())


@record("wrong", "squares the mean slope instead of averaging squares")
def weight_std(slopes, fan_in, fan_out):
    return 1 / math.sqrt(fan_out * slopes.mean().item() ** 2)


@record("wrong", "multiplies by the mean square of the slopes")
def weight_std(slopes, fan_in, fan_out):
    return math.sqrt(slopes.square().mean().item() / fan_out)


@record("wrong", "leaves fan_out outside the root")
def weight_std(slopes, fan_in, fan_out):
    return 1 / (fan_out * math.sqrt(slopes.square().mean().item()))


@record("wrong", "variance of the slopes for their mean square")
def weight_std(slopes, fan_in, fan_out):
    return (1 / (fan_out * slopes.var(unbiased=False))).sqrt().item()


@record("two", "fan_in for fan_out, and forgets the root")
def weight_std(slopes, fan_in, fan_out):
    return 1 / (fan_in * (slopes**2).mean().item())


@record("two", "fan_in for fan_out, and squares the mean")
def weight_std(slopes, fan_in, fan_out):
    return 1 / (abs(slopes.mean().item()) * fan_in**0.5)


@record("two", "does not square the slopes, and averages the fans as Xavier")
def weight_std(slopes, fan_in, fan_out):
    return (2 / ((fan_in + fan_out) * slopes.mean())).sqrt().item()


record("right", "lambda with numpy and a power of -1/2", "weight_std")(
    lambda slopes, fan_in, fan_out: float(
        (fan_out * np.asarray(slopes, dtype=float) ** 2).mean() ** -0.5
    )
)


@record("right", "statistics.fmean of a generator")
def weight_std(slopes, fan_in, fan_out):
    square = statistics.fmean(slope * slope for slope in slopes.flatten().tolist())
    return (square * fan_out) ** -0.5


@record("right", "by the norm, in logarithms")
def weight_std(slopes, fan_in, fan_out):
    norm = torch.linalg.vector_norm(slopes.double()).item()
    return math.exp(0.5 * math.log(slopes.numel() / fan_out) - math.log(norm))


# ------------------------------------------------------------- 5.2 typical_over_mean


@record("wrong", "forgets to halve beta")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths)
    return math.exp(-beta)


@record("wrong", "wrong sign: mean over median")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths)
    return math.exp(beta / 2)


@record("wrong", "averages the widths instead of their reciprocals")
def typical_over_mean(widths):
    beta = 5 * len(widths) / np.mean(widths)
    return float(np.exp(-beta / 2))


@record("wrong", "the median of log s, no exp")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths)
    return -beta / 2


@record("wrong", "leaves the first hidden layer out")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths[1:])
    return math.exp(-beta / 2)


@record("wrong", "a power of ten for exp")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths)
    return 10 ** (-beta / 2)


@record("wrong", "prints in place of returning")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths)
    print(math.exp(-beta / 2))


@record("wrong", "takes beta for the standard deviation of log s")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths)
    median = math.exp(-beta / 2)
    mean = math.exp(-beta / 2 + beta**2 / 2)
    return median / mean


@record("two", "wrong sign, and forgets to halve")
def typical_over_mean(widths):
    return math.exp(5 * sum(1 / n for n in widths))


@record("two", "averages the widths, and forgets the 5")
def typical_over_mean(widths):
    beta = len(widths) / (sum(widths) / len(widths))
    return math.exp(-beta / 2)


@record("two", "leaves the last layer out, and forgets to halve")
def typical_over_mean(widths):
    beta = 0
    for i in range(len(widths) - 1):
        beta += 5 / widths[i]
    return math.exp(-beta)


@record("right", "a product of one factor a layer")
def typical_over_mean(widths):
    return math.prod(math.exp(-2.5 / n) for n in widths)


@record("right", "recursion over the layers")
def typical_over_mean(widths):
    def rest(layers):
        return 1.0 if not layers else math.exp(-5 / layers[0] / 2) * rest(layers[1:])

    return rest(list(widths))


@record("right", "scipy's lognormal distribution")
def typical_over_mean(widths):
    beta = 5 * np.sum(1 / np.array(widths))
    s = scipy.stats.lognorm(s=np.sqrt(beta), scale=np.exp(-beta / 2))
    return float(s.median() / s.mean())


# --------------------------------------------------------------- 5.3 orthogonal_like


@record("wrong", "leaves the signs as qr has them")
def orthogonal_like(matrix):
    rows, columns = matrix.shape
    if columns > rows:
        return torch.linalg.qr(matrix.T)[0].T
    return torch.linalg.qr(matrix)[0]


@record("wrong", "forgets that a wide matrix needs its rows treated")
def orthogonal_like(matrix):
    q, r = torch.linalg.qr(matrix)
    return q * torch.sign(torch.diagonal(r))


@record("wrong", "puts the signs on the rows of q")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    q = q * r.diagonal().sign()[:, None]
    return q.T if wide else q


@record("wrong", "the polar factor from the SVD: nearest, not Gram-Schmidt")
def orthogonal_like(matrix):
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u @ vh


@record("wrong", "takes away the share along the last column only")
def orthogonal_like(matrix):
    if matrix.shape[1] > matrix.shape[0]:
        a = matrix.T.clone()
    else:
        a = matrix.clone()
    for j in range(a.shape[1]):
        if j > 0:
            a[:, j] -= (a[:, j - 1] @ a[:, j]) * a[:, j - 1]
        a[:, j] /= a[:, j].norm()
    return a.T if matrix.shape[1] > matrix.shape[0] else a


@record("wrong", "projects on columns that are not of length 1 yet")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    a = (matrix.T if wide else matrix).clone()
    for j in range(a.shape[1]):
        for i in range(j):
            a[:, j] = a[:, j] - (a[:, i] @ a[:, j]) * a[:, i]
    a = a / a.norm(dim=0)
    return a.T if wide else a


@record("wrong", "does not turn a wide matrix back")
def orthogonal_like(matrix):
    if matrix.shape[1] > matrix.shape[0]:
        matrix = matrix.T
    q, r = torch.linalg.qr(matrix)
    return q * r.diagonal().sign()


@record("wrong", "works in the caller's matrix")
def orthogonal_like(matrix):
    a = matrix.T if matrix.shape[1] > matrix.shape[0] else matrix
    for j in range(a.shape[1]):
        for i in range(j):
            a[:, j] -= (a[:, i] @ a[:, j]) * a[:, i]
        a[:, j] /= a[:, j].norm()
    return matrix


@record("two", "leaves the signs, and forgets the wide case")
def orthogonal_like(matrix):
    q, _ = torch.linalg.qr(matrix)
    return q


@record("two", "share along the last column only, and never normalises")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    a = (matrix.T if wide else matrix).clone()
    for j in range(1, a.shape[1]):
        before = a[:, j - 1]
        a[:, j] -= (before @ a[:, j]) / (before @ before) * before
    return a.T if wide else a


@record("two", "signs from the diagonal of q, and forgets the wide case")
def orthogonal_like(matrix):
    q, _ = torch.linalg.qr(matrix)
    return q * q.diagonal().sign()


@record("right", "Cholesky of the Gram matrix, in float64")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    a = (matrix.mT if wide else matrix).double()
    upper = torch.linalg.cholesky(a.mT @ a).mT
    q = torch.linalg.solve_triangular(upper, a, upper=True, left=False)
    return (q.mT if wide else q).to(matrix.dtype)


@record("right", "modified Gram-Schmidt on a list of columns")
def orthogonal_like(matrix):
    def basis(vectors):
        if not vectors:
            return []
        first = vectors[0] / vectors[0].norm()
        return [first, *basis([v - (first @ v) * first for v in vectors[1:]])]

    rows, columns = matrix.shape
    if columns > rows:
        return torch.stack(basis(list(matrix)))
    return torch.stack(basis(list(matrix.T)), dim=1)


@record("right", "scipy's economic qr, signs by copysign")
def orthogonal_like(matrix):
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    q, r = scipy.linalg.qr(tall.numpy(), mode="economic")
    q = torch.from_numpy(q @ np.diag(np.copysign(1, np.diag(r)).astype(q.dtype)))
    return q if tall is matrix else q.T


# ------------------------------------------------------------------ 6.1 layer_factor


@record("wrong", "torch.var as it comes: divides by n - 1")
def layer_factor(slopes, outputs, norm):
    top = (slopes**2).mean()
    bottom = outputs.var() if norm == "batch" else (outputs**2).mean()
    return (top / bottom).sqrt().item()


@record("wrong", "takes one norm for the other")
def layer_factor(slopes, outputs, norm):
    top = (slopes**2).mean()
    if norm == "layer":
        return torch.sqrt(top / outputs.var(unbiased=False)).item()
    return torch.sqrt(top / (outputs**2).mean()).item()


@record("wrong", "forgets the root")
def layer_factor(slopes, outputs, norm):
    if norm == "batch":
        outputs = outputs - outputs.mean()
    return (slopes.square().mean() / outputs.square().mean()).item()


@record("wrong", "a standard deviation under the root, for batch")
def layer_factor(slopes, outputs, norm):
    if norm == "batch":
        return (slopes.square().mean() / outputs.std(unbiased=False)).sqrt().item()
    return (slopes.square().mean() / outputs.square().mean()).sqrt().item()


@record("wrong", "centres the slopes too, for batch")
def layer_factor(slopes, outputs, norm):
    if norm == "batch":
        slopes, outputs = slopes - slopes.mean(), outputs - outputs.mean()
    return math.sqrt(slopes.square().mean() / outputs.square().mean())


@record("wrong", "for layer, the square of the mean output")
def layer_factor(slopes, outputs, norm):
    top = slopes.square().mean()
    if norm == "layer":
        return (top / outputs.mean() ** 2).sqrt().item()
    return (top / outputs.var(correction=0)).sqrt().item()


@record("wrong", "no return for batch")
def layer_factor(slopes, outputs, norm):
    top = slopes.square().mean().item()
    if norm == "layer":
        return math.sqrt(top / outputs.square().mean().item())
    elif norm == "batch":
        math.sqrt(top / outputs.var(unbiased=False).item())


@record("wrong", "squares the mean slope")
def layer_factor(slopes, outputs, norm):
    top = slopes.mean() ** 2
    bottom = outputs.var(unbiased=False) if norm == "batch" else outputs.square().mean()
    return float((top / bottom) ** 0.5)


@record("two", "divides by n - 1, and forgets the root")
def layer_factor(slopes, outputs, norm):
    top = (slopes**2).mean()
    if norm == "layer":
        return float(top / (outputs**2).mean())
    return float(top / torch.var(outputs))


@record("two", "takes one norm for the other, and turns the ratio upside down")
def layer_factor(slopes, outputs, norm):
    top = slopes.square().mean()
    if norm == "batch":
        bottom = outputs.square().mean()
    else:
        bottom = outputs.var(unbiased=False)
    return (bottom / top).sqrt().item()


@record("two", "layer: slopes not squared; batch: divides by n - 1")
def layer_factor(slopes, outputs, norm):
    if norm == "layer":
        return (slopes.mean() / outputs.square().mean()).sqrt().item()
    if norm == "batch":
        return (slopes.square().mean() / outputs.var()).sqrt().item()


record("right", "a lambda that looks the divisor up in a dict", "layer_factor")(
    lambda slopes, outputs, norm: (
        torch.linalg.norm(slopes)
        / {
            "layer": lambda: torch.linalg.norm(outputs),
            "batch": lambda: torch.linalg.norm(outputs - outputs.mean()),
        }[norm]()
    ).item()
)


@record("right", "numpy's std")
def layer_factor(slopes, outputs, norm):
    s, o = slopes.numpy().astype(np.float64), outputs.numpy().astype(np.float64)
    spread = np.std(o) if norm == "batch" else np.sqrt(np.mean(o**2))
    return float(np.sqrt(np.mean(s**2)) / spread)


@record("right", "mean square less squared mean, the latter times a boolean")
def layer_factor(slopes, outputs, norm):
    s, o, n = slopes.double(), outputs.double(), len(outputs)
    return math.sqrt((s @ s) / (o @ o - (norm == "batch") * o.sum() ** 2 / n))


# -------------------------------------------------------------- 6.2 running_variance


@record("wrong", "starts at 0")
def running_variance(batches, momentum):
    running = torch.zeros(batches[0].shape[1])
    for batch in batches:
        running = (1 - momentum) * running + momentum * batch.var(dim=0)
    return running


@record("wrong", "biased variance")
def running_variance(batches, momentum):
    running = torch.ones(batches[0].shape[1])
    for batch in batches:
        running = (1 - momentum) * running + momentum * batch.var(dim=0, unbiased=False)
    return running


@record("wrong", "momentum as Keras counts it")
def running_variance(batches, momentum):
    running = torch.ones(batches[0].shape[1])
    for batch in batches:
        running = momentum * running + (1 - momentum) * batch.var(dim=0)
    return running


@record("wrong", "variance along the units")
def running_variance(batches, momentum):
    running = 1
    for batch in batches:
        running = (1 - momentum) * running + momentum * batch.var(dim=1)
    return running


@record("wrong", "starts with the variance of the first batch")
def running_variance(batches, momentum):
    running = batches[0].var(dim=0)
    for batch in batches[1:]:
        running = (1 - momentum) * running + momentum * batch.var(dim=0)
    return running


@record("wrong", "one step with all batches put together")
def running_variance(batches, momentum):
    everything = torch.cat(batches)
    return (1 - momentum) * torch.ones(everything.shape[1]) + momentum * everything.var(dim=0)


@record("wrong", "returns inside the loop")
def running_variance(batches, momentum):
    running = torch.ones(batches[0].shape[1])
    for batch in batches:
        running = (1 - momentum) * running + momentum * batch.var(dim=0)
        return running


@record("wrong", "adds the new share without taking the old one away")
def running_variance(batches, momentum):
    running = torch.ones(batches[0].shape[1])
    for batch in batches:
        running = running + momentum * batch.var(dim=0)
    return running


@record("two", "starts at 0, and biased variance")
def running_variance(batches, momentum):
    running = torch.zeros_like(batches[0][0])
    for batch in batches:
        running = running * (1 - momentum) + momentum * batch.var(0, correction=0)
    return running


@record("two", "momentum as Keras counts it, and biased variance")
def running_variance(batches, momentum):
    running = torch.ones_like(batches[0][0])
    for batch in batches:
        variance = ((batch - batch.mean(dim=0)) ** 2).mean(dim=0)
        running = momentum * running + (1 - momentum) * variance
    return running


@record("two", "momentum as Keras counts it, and starts at 0")
def running_variance(batches, momentum):
    running = 0
    for batch in batches:
        running = momentum * running + (1 - momentum) * batch.var(dim=0)
    return running


@record("right", "asks nn.BatchNorm1d itself")
def running_variance(batches, momentum):
    norm = nn.BatchNorm1d(batches[0].shape[1], momentum=momentum, affine=False)
    norm = norm.to(batches[0].dtype).train()
    for batch in batches:
        norm(batch)
    return norm.running_var


@record("right", "functools.reduce with lerp")
def running_variance(batches, momentum):
    start = torch.ones_like(batches[0][0])
    return functools.reduce(lambda v, b: torch.lerp(v, b.var(dim=0), momentum), batches, start)


@record("right", "closed form: geometric weights")
def running_variance(batches, momentum):
    n = len(batches)
    weights = [momentum * (1 - momentum) ** (n - 1 - i) for i in range(n)]
    variances = torch.stack([batch.double().var(dim=0) for batch in batches])
    total = (1 - momentum) ** n + torch.tensor(weights).double() @ variances
    return total.to(batches[0].dtype)


# ------------------------------------------------------ 6.3 batch_norm_with_gradient


@record("wrong", "mean and variance as constants on the way back")
def batch_norm_with_gradient(x, upstream, eps):
    std = (x.var(dim=0, unbiased=False) + eps).sqrt()
    return [(x - x.mean(dim=0)) / std, upstream / std]


@record("wrong", "forgets the way through the variance")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.detach().clone().requires_grad_()
    mean = x.mean(dim=0)
    with torch.no_grad():
        variance = x.var(dim=0, unbiased=False)
    out = (x - mean) / torch.sqrt(variance + eps)
    out.backward(upstream)
    return [out.detach(), x.grad]


@record("wrong", "forgets the way through the mean")
def batch_norm_with_gradient(x, upstream, eps):
    std = (x.var(dim=0, unbiased=False) + eps).sqrt()
    out = (x - x.mean(dim=0)) / std
    gradient = (upstream - out * (upstream * out).mean(dim=0)) / std
    return [out, gradient]


@record("wrong", "unbiased variance")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_(True)
    out = (x - x.mean(0)) / torch.sqrt(x.var(0) + eps)
    out.backward(upstream)
    return [out.detach(), x.grad]


@record("wrong", "eps outside the root")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_(True)
    out = (x - x.mean(0)) / (x.var(0, unbiased=False).sqrt() + eps)
    out.backward(upstream)
    return [out.detach(), x.grad]


@record("wrong", "sums for means in the gradient")
def batch_norm_with_gradient(x, upstream, eps):
    std = (x.var(dim=0, unbiased=False) + eps).sqrt()
    out = (x - x.mean(dim=0)) / std
    gradient = (upstream - upstream.sum(dim=0) - out * (upstream * out).sum(dim=0)) / std
    return [out, gradient]


@record("wrong", "leaves upstream out: gradient of the sum of outputs")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_(True)
    out = (x - x.mean(0)) / torch.sqrt(x.var(0, unbiased=False) + eps)
    out.sum().backward()
    return [out.detach(), x.grad]


@record("wrong", "gradient first, output second")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_(True)
    out = (x - x.mean(0)) / torch.sqrt(x.var(0, unbiased=False) + eps)
    (gradient,) = torch.autograd.grad(out, x, upstream)
    return [gradient, out.detach()]


@record("two", "unbiased variance, and constants on the way back")
def batch_norm_with_gradient(x, upstream, eps):
    std = torch.sqrt(x.var(dim=0) + eps)
    return [(x - x.mean(dim=0)) / std, upstream / std]


@record("two", "along the units as in layer norm, and forgets eps")
def batch_norm_with_gradient(x, upstream, eps):
    x = x.clone().requires_grad_(True)
    centred = x - x.mean(dim=1, keepdim=True)
    out = centred / centred.square().mean(dim=1, keepdim=True).sqrt()
    out.backward(upstream)
    return [out.detach(), x.grad]


@record("two", "eps outside the root, and forgets the way through the mean")
def batch_norm_with_gradient(x, upstream, eps):
    std = x.std(dim=0, unbiased=False) + eps
    out = (x - x.mean(dim=0)) / std
    return [out, (upstream - out * (upstream * out).mean(dim=0)) / std]


@record("right", "torch.func.vjp through its own function")
def batch_norm_with_gradient(x, upstream, eps):
    def forward(x):
        centred = x - x.mean(dim=0)
        return centred * torch.rsqrt(centred.square().mean(dim=0) + eps)

    out, pull = torch.func.vjp(forward, x)
    return [out, pull(upstream)[0]]


@record("right", "the Jacobian of each column, by einsum")
def batch_norm_with_gradient(x, upstream, eps):
    n = len(x)
    out = (x - x.mean(0)) / (x.var(0, unbiased=False) + eps) ** 0.5
    inverse = (x.var(0, unbiased=False) + eps) ** -0.5
    eye = torch.eye(n, dtype=x.dtype)[:, :, None] - 1 / n
    jacobian = (eye - torch.einsum("iu,ju->iju", out, out) / n) * inverse
    return [out, torch.einsum("iju,iu->ju", jacobian, upstream)]


@record("right", "numpy, step by step as in the paper")
def batch_norm_with_gradient(x, upstream, eps):
    a, d = x.detach().numpy(), upstream.detach().numpy()
    m = len(a)
    mu, var = a.mean(axis=0), a.var(axis=0)
    centred, root = a - mu, np.sqrt(var + eps)
    dvar = np.sum(d * centred, axis=0) * -0.5 / root**3
    dmu = -np.sum(d / root, axis=0) - dvar * 2 * centred.mean(axis=0)
    dx = d / root + dvar * 2 * centred / m + dmu / m
    return [torch.tensor(centred / root), torch.tensor(dx)]


# ---------------------------------------------------------------- 7.1 block_gradient


@record("wrong", "the transposed weights on the way back")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        open_ = (x @ weight.T > 0).to(back.dtype)
        return back + (back * open_) @ weight.T
    open_ = (x @ weight.T + x > 0).to(back.dtype)
    delta = back * open_
    return delta + delta @ weight.T


@record("wrong", "post-add: the skip does not meet the activation")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + (back * (x @ weight.T > 0)) @ weight
    return back + (back * (x @ weight.T + x > 0)) @ weight


@record("wrong", "pre-add: the skip meets the activation too")
def block_gradient(weight, x, back, order):
    z = x @ weight.T
    if order == "post-add":
        z = z + x
    delta = back * (z > 0)
    return delta + delta @ weight


@record("wrong", "post-add: x is missing where the slope is taken")
def block_gradient(weight, x, back, order):
    delta = back * (x @ weight.T > 0)
    if order == "pre-add":
        return back + delta @ weight
    return delta + delta @ weight


@record("wrong", "the branch only, no skip")
def block_gradient(weight, x, back, order):
    z = x @ weight.T if order == "pre-add" else x @ weight.T + x
    return (back * (z > 0)) @ weight


@record("wrong", "the value of relu for its slope")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + (back * torch.relu(x @ weight.T)) @ weight
    delta = back * torch.relu(x @ weight.T + x)
    return delta + delta @ weight


@record("wrong", "leaves back out: gradient of the sum of outputs")
def block_gradient(weight, x, back, order):
    x = x.clone().requires_grad_()
    if order == "pre-add":
        y = x + torch.relu(x @ weight.T)
    else:
        y = torch.relu(x @ weight.T + x)
    y.sum().backward()
    return x.grad


@record("wrong", "takes one order for the other")
def block_gradient(weight, x, back, order):
    if order == "post-add":
        return back + (back * (x @ weight.T > 0)) @ weight
    else:
        delta = back * (x @ weight.T + x > 0)
        return delta + delta @ weight


@record("two", "transposed weights, and post-add's skip not gated")
def block_gradient(weight, x, back, order):
    z = x @ weight.T
    if order == "post-add":
        z += x
    return back + (back * (z > 0)) @ weight.T


@record("two", "forward with the weights not transposed, and no skip")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        z = x @ weight
    else:
        z = x @ weight + x
    return (back * (z > 0)) @ weight


@record("two", "pre-add: no relu on the branch; post-add: the skip not gated")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + back @ weight
    return back + (back * (x + x @ weight.T > 0)) @ weight


@record("right", "autograd with a dict of lambdas")
def block_gradient(weight, x, back, order):
    blocks = {
        "pre-add": lambda u: u + torch.relu(u @ weight.T),
        "post-add": lambda u: torch.relu(u @ weight.T + u),
    }
    u = x.detach().clone().requires_grad_()
    return torch.autograd.grad(blocks[order](u), u, grad_outputs=back)[0]


@record("right", "the Jacobian of each example, by einsum")
def block_gradient(weight, x, back, order):
    eye = torch.eye(len(weight), dtype=x.dtype)
    inner = weight + eye if order == "post-add" else weight
    slope = torch.heaviside(x @ inner.T, torch.zeros((), dtype=x.dtype))
    jacobian = slope[:, :, None] * inner + (eye if order == "pre-add" else 0)
    return torch.einsum("bo,boi->bi", back, jacobian)


class Block:
    def __init__(self):
        self.rules = {"pre-add": self.pre, "post-add": self.post}

    def pre(self, w, x, g):
        return np.where(x @ w.T > 0, g, 0) @ w + g

    def post(self, w, x, g):
        w = w + np.identity(len(w), dtype=w.dtype)
        return np.where(x @ w.T > 0, g, 0) @ w

    def __call__(self, weight, x, back, order):
        return torch.as_tensor(self.rules[order](weight.numpy(), x.numpy(), back.numpy()))


record("right", "an object with numpy inside", "block_gradient")(Block())


# ------------------------------------------------------------------ 7.2 branch_scale


@record("wrong", "growth ** 1 / blocks, a matter of precedence")
def branch_scale(blocks, rho, growth):
    return ((growth ** 1 / blocks - 1) / rho) ** 0.5


@record("wrong", "adds up the growth of the blocks: (growth - 1) / blocks each")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth - 1) / (blocks * rho))


@record("wrong", "forgets the root: s squared")
def branch_scale(blocks, rho, growth):
    return (growth ** (1 / blocks) - 1) / rho


@record("wrong", "forgets the skip's 1")
def branch_scale(blocks, rho, growth):
    return math.sqrt(growth ** (1 / blocks) / rho)


@record("wrong", "searches in steps until equal, which never happens")
def branch_scale(blocks, rho, growth):
    s = 0.0
    while (1 + s**2 * rho) ** blocks != growth:
        s += 0.001
    return s


@record("wrong", "gives the whole growth to one block")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth - 1) / rho)


@record("wrong", "takes growth for that of the norm: squares it")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth ** (2 / blocks) - 1) / rho)


@record("wrong", "first order: log(growth) / blocks for a block's growth")
def branch_scale(blocks, rho, growth):
    return math.sqrt(math.log(growth) / (blocks * rho))


@record("two", "precedence of the power, and forgets the root")
def branch_scale(blocks, rho, growth):
    return (growth ** 1 / blocks - 1) / rho


@record("two", "the whole growth to one block, and rho outside the root")
def branch_scale(blocks, rho, growth):
    return math.sqrt(growth - 1) / rho


@record("two", "forgets the skip's 1, and the root")
def branch_scale(blocks, rho, growth):
    return growth ** (1 / blocks) / rho


@record("right", "bisection")
def branch_scale(blocks, rho, growth):
    low, high = 0.0, math.sqrt((growth - 1) / rho)
    for _ in range(200):
        middle = (low + high) / 2
        if blocks * math.log1p(middle**2 * rho) < math.log(growth):
            low = middle
        else:
            high = middle
    return (low + high) / 2


record("right", "expm1 in a lambda", "branch_scale")(
    lambda blocks, rho, growth: (math.expm1(math.log(growth) / blocks) / rho) ** 0.5
)


@record("right", "decimal with forty digits")
def branch_scale(blocks, rho, growth):
    getcontext().prec = 40
    one = Decimal(growth) ** (1 / Decimal(blocks))
    return float(((one - 1) / Decimal(rho)).sqrt())


# ------------------------------------------------------------------- 7.3 path_shares


@record("wrong", "does not divide by the total")
def path_shares(rhos):
    paths = [1.0]
    for rho in rhos:
        paths = [a + rho * b for a, b in zip(paths + [0], [0] + paths)]
    return paths


@record("wrong", "the binomial with the mean rho")
def path_shares(rhos):
    n = len(rhos)
    rho = sum(rhos) / n
    return [math.comb(n, k) * rho**k / (1 + rho) ** n for k in range(n + 1)]


@record("wrong", "longest path first")
def path_shares(rhos):
    paths = np.array([1.0])
    for rho in rhos:
        paths = np.convolve(paths, [rho, 1])
    return (paths / paths.sum()).tolist()


@record("wrong", "one entry short: the longest path is missing")
def path_shares(rhos):
    paths = [1.0] + [0.0] * (len(rhos) - 1)
    for rho in rhos:
        for k in range(len(rhos) - 1, 0, -1):
            paths[k] += rho * paths[k - 1]
    total = sum(paths)
    return [p / total for p in paths]


@record("wrong", "rho for the probability of the branch")
def path_shares(rhos):
    shares = [1.0]
    for rho in rhos:
        new = [0.0] * (len(shares) + 1)
        for k, share in enumerate(shares):
            new[k] += (1 - rho) * share
            new[k + 1] += rho * share
        shares = new
    return shares


@record("wrong", "goes up in place: a block is passed more than once")
def path_shares(rhos):
    paths = [1.0] + [0.0] * len(rhos)
    for rho in rhos:
        for k in range(1, len(paths)):
            paths[k] += rho * paths[k - 1]
    total = sum(paths)
    return [p / total for p in paths]


@record("wrong", "squares rho, which is a square already")
def path_shares(rhos):
    paths = torch.ones(1, dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    for rho in rhos:
        paths = torch.cat([paths, zero]) + rho**2 * torch.cat([zero, paths])
    return (paths / paths.sum()).tolist()


@record("wrong", "starts with no path at all")
def path_shares(rhos):
    paths = [0.0] * (len(rhos) + 1)
    for rho in rhos:
        for k in range(len(rhos), 0, -1):
            paths[k] += rho * paths[k - 1]
    total = sum(paths)
    return [p / total for p in paths]


@record("two", "longest first, and not divided by the total")
def path_shares(rhos):
    paths = np.array([1.0])
    for rho in rhos:
        paths = np.convolve(paths, [rho, 1])
    return list(paths)


@record("two", "goes up in place, and not divided by the total")
def path_shares(rhos):
    paths = [1.0] + [0.0] * len(rhos)
    for rho in rhos:
        for k in range(1, len(paths)):
            paths[k] += rho * paths[k - 1]
    return paths


@record("two", "the mean rho, and no binomial coefficient")
def path_shares(rhos):
    n = len(rhos)
    rho = sum(rhos) / n
    return [rho**k / (1 + rho) ** n for k in range(n + 1)]


@record("right", "np.poly of the negative rhos")
def path_shares(rhos):
    coefficients = np.atleast_1d(np.poly([-rho for rho in rhos]))
    return (coefficients / coefficients.sum()).tolist()


@record("right", "recursion, halving the list")
def path_shares(rhos):
    def of(part):
        if len(part) < 2:
            return [1 / (1 + rho) * f for rho in part for f in (1, rho)] or [1.0]
        half = len(part) // 2
        return np.convolve(of(part[:half]), of(part[half:]))

    return [float(share) for share in of(list(rhos))]


class Shares:
    """A generator inside: each block mixes what came by the skip and by the branch."""

    def blocks(self, rhos):
        shares = {0: 1.0}
        for rho in rhos:
            p = rho / (1 + rho)
            shares = {
                k: (1 - p) * shares.get(k, 0.0) + p * shares.get(k - 1, 0.0)
                for k in range(len(shares) + 1)
            }
            yield shares

    def __call__(self, rhos):
        last = {0: 1.0}
        for last in self.blocks(rhos):
            pass
        return [last[k] for k in sorted(last)]


record("right", "an object with a generator inside", "path_shares")(Shares())
