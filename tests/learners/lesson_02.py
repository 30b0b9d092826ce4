"""Learners' answers to the exercises of lesson 02."""

# ruff: noqa: F811, RET503

import functools
import math

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 2.1 safe_norm


@record("wrong", "squares the entries at their own scale")
def safe_norm(values):
    return values.norm().item()


@record("wrong", "goes to float64 but does not scale")
def safe_norm(values):
    return torch.linalg.vector_norm(values, dtype=torch.float64).item()


@record("wrong", "divides by zero for a tensor of zeros")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max()
    return (scale * (values / scale).norm()).item()


@record("wrong", "does not undo the scaling")
def safe_norm(values):
    scale = values.abs().max().item()
    return (values.double() / scale).norm().item() if scale > 0 else 0.0


@record("wrong", "returns the squared norm")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max().item()
    return scale**2 * (values / scale).square().sum().item() if scale > 0 else 0.0


@record("wrong", "adds up sizes instead of squares")
def safe_norm(values):
    return values.double().abs().sum().item()


@record("wrong", "scales by the largest entry without regard to sign")
def safe_norm(values):
    values = values.double()
    scale = values.max().item()
    return scale * (values / scale).norm().item() if scale else 0.0


@record("wrong", "adds 1e-8 to the scale against a division by zero")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max() + 1e-8
    return (scale * (values / scale).norm()).item()


@record("wrong", "takes the mean of the squares instead of the sum")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max().item()
    return scale * (values / scale).square().mean().sqrt().item() if scale > 0 else 0.0


@record("wrong", "returns nothing for a tensor of zeros")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max().item()
    if scale > 0:
        return scale * (values / scale).norm().item()


@record("wrong", "scales by the smallest entry")
def safe_norm(values):
    values = values.double()
    scale = values.abs().min().item()
    return scale * (values / scale).norm().item() if scale > 0 else values.norm().item()


@record("wrong", "scales by a constant")
def safe_norm(values):
    return (values.double() * 1e100).norm().item() / 1e100


@record("wrong", "undoes the scaling before the root")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max()
    if scale == 0:
        return 0.0
    return (scale**2 * (values / scale).square().sum()).sqrt().item()


@record("wrong", "scales the tensor that it was given")
def safe_norm(values):
    scale = values.abs().max().item()
    if scale == 0:
        return 0.0
    values /= scale
    return scale * values.double().norm().item()


@record("wrong", "takes the norm of each row")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max()
    if scale == 0:
        return 0.0
    return (scale * (values / scale).norm(dim=-1)).item()


@record("wrong", "treats anything below 1e-30 as zero")
def safe_norm(values):
    values = values.double()
    scale = values.abs().max().item()
    return scale * (values / scale).norm().item() if scale > 1e-30 else 0.0


@record("right", "math.hypot on a list")
def safe_norm(values):
    return math.hypot(*values.flatten().tolist())


@record("right", "hypot, entry by entry")
def safe_norm(values):
    return functools.reduce(math.hypot, values.double().flatten().tolist(), 0.0)


@record("right", "in log space")
def safe_norm(values):
    logs = values.double().abs().log().flatten()
    return math.exp(torch.logsumexp(2 * logs, dim=0).item() / 2)


@record("right", "numpy's long double, returns a numpy scalar")
def safe_norm(values):
    wide = values.numpy().astype(np.longdouble)
    return np.float64(np.sqrt((wide * wide).sum()))


@record("right", "scales by a power of two")
def safe_norm(values):
    _, exponent = math.frexp(values.abs().max().item())
    scaled = np.ldexp(values.double().numpy(), -exponent)
    return math.ldexp(float(np.linalg.norm(scaled)), exponent)


@record("two", "squares the entries at their own scale and returns the squared norm")
def safe_norm(values):
    return (values**2).sum().item()


@record("two", "divides by zero for a tensor of zeros and does not undo the scaling")
def safe_norm(values):
    return (values.double() / values.abs().max()).norm().item()


@record("two", "goes to float64 but does not scale and takes the mean instead of the sum")
def safe_norm(values):
    return values.double().pow(2).mean().sqrt().item()


# 2.2 unchanged_share


@record("wrong", "forgives small changes with isclose")
def unchanged_share(before, after):
    return torch.isclose(before, after).double().mean().item()


@record("wrong", "returns the share that changed")
def unchanged_share(before, after):
    return (before != after).double().mean().item()


@record("wrong", "counts the entries instead of giving their share")
def unchanged_share(before, after):
    return (before == after).sum().item()


@record("wrong", "asks whether all entries are the same")
def unchanged_share(before, after):
    return float(torch.equal(before, after))


@record("wrong", "counts rows that did not change at all")
def unchanged_share(before, after):
    same = (before == after).reshape(len(before), -1).all(dim=1)
    return same.double().mean().item()


@record("wrong", "divides by the number of rows")
def unchanged_share(before, after):
    return (before == after).sum().item() / len(before)


@record("wrong", "forgives changes below a millionth")
def unchanged_share(before, after):
    return ((before - after).abs() < 1e-6).double().mean().item()


@record("wrong", "rounds before it compares")
def unchanged_share(before, after):
    same = before.round(decimals=4) == after.round(decimals=4)
    return same.sum().item() / same.numel()


@record("wrong", "gives percent")
def unchanged_share(before, after):
    return 100 * (before == after).double().mean().item()


@record("wrong", "returns the comparison entry by entry")
def unchanged_share(before, after):
    return before == after


@record("wrong", "takes the mean of a boolean tensor")
def unchanged_share(before, after):
    return (before == after).mean().item()


@record("wrong", "divides whole numbers")
def unchanged_share(before, after):
    return (before == after).sum().item() // before.numel()


@record("wrong", "looks for a value anywhere in the other tensor")
def unchanged_share(before, after):
    return torch.isin(after, before).double().mean().item()


@record("wrong", "asks whether two entries are the same object")
def unchanged_share(before, after):
    pairs = zip(before.flatten().tolist(), after.flatten().tolist(), strict=True)
    return sum(a is b for a, b in pairs) / before.numel()


@record("wrong", "walks through the rows as if they were entries")
def unchanged_share(before, after):
    same = 0
    for a, b in zip(before, after, strict=True):
        if a == b:
            same += 1
    return same / before.numel()


@record("wrong", "compares in half precision")
def unchanged_share(before, after):
    return (before.half() == after.half()).double().mean().item()


@record("wrong", "gives one share for each column")
def unchanged_share(before, after):
    return (before == after).double().mean(dim=0)


@record("right", "numpy, returns a numpy scalar")
def unchanged_share(before, after):
    return np.mean(before.numpy() == after.numpy())


@record("right", "one minus the share of differences that are not zero")
def unchanged_share(before, after):
    return 1 - torch.count_nonzero(after - before).item() / before.numel()


@record("right", "a loop over two lists")
def unchanged_share(before, after):
    same = 0
    for a, b in zip(before.flatten().tolist(), after.flatten().tolist(), strict=True):
        same += a == b
    return same / before.numel()


record("right", "a lambda, returns a tensor without dimensions", "unchanged_share")(
    lambda before, after: before.eq(after).double().mean()
)


@record("two", "forgives small changes with isclose and returns the share that changed")
def unchanged_share(before, after):
    return 1 - torch.isclose(before, after).double().mean().item()


@record("two", "returns the share that changed and divides by the number of rows")
def unchanged_share(before, after):
    return (before != after).sum().item() / len(before)


@record("two", "forgives changes below a millionth and gives percent")
def unchanged_share(before, after):
    return 100 * (abs(before - after) < 1e-6).float().mean().item()


# 2.3 adam_first_update


@record("wrong", "has the sign wrong")
def adam_first_update(gradient, lr, eps):
    return lr * gradient / (gradient.abs() + eps)


@record("wrong", "leaves out eps")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient.sign()


@record("wrong", "adds eps under the root")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / torch.sqrt(gradient**2 + eps)


@record("wrong", "forgets the bias correction")
def adam_first_update(gradient, lr, eps):
    m, v = 0.1 * gradient, 0.001 * gradient**2
    return -lr * m / (v.sqrt() + eps)


@record("wrong", "corrects the bias of the first average only")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / ((0.001 * gradient**2).sqrt() + eps)


@record("wrong", "forgets the root of the second average")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient**2 + eps)


@record("wrong", "takes a step of plain gradient descent")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient


@record("wrong", "divides by the norm of the whole gradient")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient.norm() + eps)


@record("wrong", "adds eps before the bias correction")
def adam_first_update(gradient, lr, eps):
    root = ((1 - 0.999) * gradient**2).sqrt() + eps
    return -lr * gradient / (root / math.sqrt(1 - 0.999))


@record("wrong", "forgets the absolute value")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient + eps)


@record("wrong", "squares eps under the root")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient**2 + eps**2).sqrt()


@record("wrong", "takes PyTorch's eps whatever it is given")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / (gradient.abs() + 1e-8)


@record("wrong", "returns the mean step instead of one for each weight")
def adam_first_update(gradient, lr, eps):
    return (-lr * gradient / (gradient.abs() + eps)).mean()


@record("wrong", "subtracts the step from the gradient")
def adam_first_update(gradient, lr, eps):
    return gradient - lr * gradient / (gradient.abs() + eps)


@record("wrong", "takes weights of one and loses the step to rounding")
def adam_first_update(gradient, lr, eps):
    weight = torch.ones_like(gradient, requires_grad=True)
    weight.grad = gradient.clone()
    torch.optim.Adam([weight], lr=lr, eps=eps).step()
    return (weight - 1).detach()


@record("wrong", "computes in the gradient that it was given")
def adam_first_update(gradient, lr, eps):
    size = gradient.abs() + eps
    return gradient.div_(size).mul_(-lr)


@record("wrong", "clamps at eps instead of adding it")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / gradient.abs().clamp(min=eps)


@record("wrong", "forgets the learning rate")
def adam_first_update(gradient, lr, eps):
    return -gradient / (gradient.abs() + eps)


@record("right", "PyTorch's own Adam on weights of zero")
def adam_first_update(gradient, lr, eps):
    weight = torch.zeros_like(gradient, dtype=torch.float64, requires_grad=True)
    weight.grad = gradient.double()
    torch.optim.Adam([weight], lr=lr, eps=eps).step()
    return weight.detach().to(gradient.dtype)


@record("right", "both running averages spelt out")
def adam_first_update(gradient, lr, eps, beta1=0.9, beta2=0.999):
    gradient = gradient.double()
    m = (1 - beta1) * gradient
    v = (1 - beta2) * gradient * gradient
    return -lr * (m / (1 - beta1)) / ((v / (1 - beta2)).sqrt() + eps)


@record("right", "numpy and back")
def adam_first_update(gradient, lr, eps):
    g = gradient.numpy()
    return torch.from_numpy(-lr * g / (np.abs(g) + eps))


@record("right", "a loop over the entries")
def adam_first_update(gradient, lr, eps):
    steps = [-lr * g / (abs(g) + eps) for g in gradient.flatten().tolist()]
    return torch.tensor(steps, dtype=gradient.dtype).reshape(gradient.shape)


@record("right", "the sign, damped by eps")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient.sign() / (1 + eps / gradient.abs())


@record("two", "has the sign wrong and leaves out eps")
def adam_first_update(gradient, lr, eps):
    return lr * torch.sign(gradient)


@record("two", "has the sign wrong and adds eps under the root")
def adam_first_update(gradient, lr, eps):
    return lr * gradient / (gradient.square() + eps).sqrt()


@record("two", "forgets the bias correction and forgets the root of the second average")
def adam_first_update(gradient, lr, eps):
    return -lr * 0.1 * gradient / (0.001 * gradient**2 + eps)


@record("two", "divides by the norm of the whole gradient and leaves out eps")
def adam_first_update(gradient, lr, eps):
    return -lr * gradient / gradient.norm()
