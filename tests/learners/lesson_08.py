"""Learners' answers to the exercises of lesson 08."""

# ruff: noqa: F811, RET503

import functools
import math
import statistics

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 8.1 block_gradient


@record("wrong", "multiplies by the transpose of the weights")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + (back * (x @ weight.T > 0)) @ weight.T
    g = back * (x @ weight.T + x > 0)
    return g + g @ weight.T


@record("wrong", "swaps the two orders")
def block_gradient(weight, x, back, order):
    if order == "post-add":
        return back + (back * (x @ weight.T > 0)) @ weight
    g = back * (x @ weight.T + x > 0)
    return g + g @ weight


@record("wrong", "leaves x out of the post-add activation")
def block_gradient(weight, x, back, order):
    g = back * (x @ weight.T > 0)
    return (back if order == "pre-add" else g) + g @ weight


@record("wrong", "forgets the skip of the pre-add block")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return (back * (x @ weight.T > 0)) @ weight
    g = back * (x @ weight.T + x > 0)
    return g + g @ weight


@record("wrong", "forgets both skips")
def block_gradient(weight, x, back, order):
    z = x @ weight.T + (x if order == "post-add" else 0)
    return (back * (z > 0)) @ weight


@record("wrong", "lets the post-add skip pass the activation")
def block_gradient(weight, x, back, order):
    z = x @ weight.T + (x if order == "post-add" else 0)
    return back + (back * (z > 0)) @ weight


@record("wrong", "asks x instead of the pre-activation which units are on")
def block_gradient(weight, x, back, order):
    g = back * (x > 0)
    return (back if order == "pre-add" else g) + g @ weight


@record("wrong", "returns nothing for the post-add block")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + (back * (x @ weight.T > 0)) @ weight


@record("wrong", "applies the slope after the weights")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + (back @ weight) * (x @ weight.T > 0)
    return (back + back @ weight) * (x @ weight.T + x > 0)


@record("wrong", "multiplies by the ReLU's output instead of its slope")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + (back * torch.relu(x @ weight.T)) @ weight
    g = back * torch.relu(x @ weight.T + x)
    return g + g @ weight


@record("wrong", "computes the pre-activation with the untransposed weights")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return back + (back * (x @ weight > 0)) @ weight
    g = back * (x @ weight + x > 0)
    return g + g @ weight


@record("wrong", "ignores the order")
def block_gradient(weight, x, back, order):
    return back + (back * (x @ weight.T > 0)) @ weight


@record("wrong", "lets the pre-add skip pass through the activation too")
def block_gradient(weight, x, back, order):
    g = back * (x @ weight.T + (x if order == "post-add" else 0) > 0)
    return g + g @ weight


@record("wrong", "differentiates the sum of the outputs instead of using back")
def block_gradient(weight, x, back, order):
    x = x.clone().requires_grad_()
    z = x @ weight.T
    y = x + torch.relu(z) if order == "pre-add" else torch.relu(z + x)
    return torch.autograd.grad(y.sum(), x)[0]


@record("wrong", "returns the gradient at the weights")
def block_gradient(weight, x, back, order):
    w = weight.clone().requires_grad_()
    z = x @ w.T
    y = x + torch.relu(z) if order == "pre-add" else torch.relu(z + x)
    return torch.autograd.grad(y, w, back)[0]


@record("wrong", "adds x instead of the gradient for the skip")
def block_gradient(weight, x, back, order):
    if order == "pre-add":
        return x + (back * (x @ weight.T > 0)) @ weight
    g = back * (x @ weight.T + x > 0)
    return g + g @ weight


@record("wrong", "writes the order with an underscore")
def block_gradient(weight, x, back, order):
    z = x @ weight.T
    if order == "pre_add":
        return back + (back * (z > 0)) @ weight
    g = back * (z + x > 0)
    return g + g @ weight


@record("wrong", "compares back with 0 instead of the pre-activation")
def block_gradient(weight, x, back, order):
    g = torch.relu(back)
    return (back if order == "pre-add" else g) + g @ weight


@record("wrong", "sets entries of the gradient that it was given to 0")
def block_gradient(weight, x, back, order):
    z = x @ weight.T
    if order == "pre-add":
        return back + (back * (z > 0)) @ weight
    back[z + x <= 0] = 0
    return back + back @ weight


@record("right", "autograd")
def block_gradient(weight, x, back, order):
    x = x.detach().clone().requires_grad_()
    z = x @ weight.T
    y = x + z.relu() if order == "pre-add" else (z + x).relu()
    y.backward(back)
    return x.grad


@record("right", "numpy with an identity added to the weights")
def block_gradient(weight, x, back, order):
    w, x, g = weight.numpy(), x.numpy(), back.numpy()
    if order == "post-add":
        w = w + np.eye(len(w), dtype=w.dtype)
    through = np.where(x @ w.T > 0, g, 0) @ w
    return torch.from_numpy(through + g if order == "pre-add" else through)


@record("right", "the Jacobian of each input in a loop")
def block_gradient(weight, x, back, order):
    one, rows = torch.eye(len(weight), dtype=weight.dtype), []
    for v, g in zip(x, back, strict=True):
        if order == "pre-add":
            jacobian = one + torch.diag((weight @ v > 0).to(v.dtype)) @ weight
        else:
            jacobian = torch.diag((weight @ v + v > 0).to(v.dtype)) @ (weight + one)
        rows.append(jacobian.T @ g)
    return torch.stack(rows)


@record("two", "swaps the two orders and multiplies by the transpose of the weights")
def block_gradient(weight, x, back, order):
    if order == "post-add":
        return back + (back * (x @ weight.T > 0)) @ weight.T
    g = back * (x @ weight.T + x > 0)
    return g + g @ weight.T


@record("two", "leaves x out of the post-add activation and multiplies by the transpose")
def block_gradient(weight, x, back, order):
    g = torch.where(x @ weight.T > 0, back, 0)
    return (back if order == "pre-add" else g) + g @ weight.T


@record("two", "forgets both skips and multiplies by the transpose of the weights")
def block_gradient(weight, x, back, order):
    z = x @ weight.T if order == "pre-add" else x @ weight.T + x
    return (back * (z > 0)) @ weight.T


@record("two", "asks x which units are on and forgets both skips")
def block_gradient(weight, x, back, order):
    return (back * (x > 0)) @ weight


# 8.2 branch_scale


@record("wrong", "returns the square of the factor")
def branch_scale(blocks, rho, growth):
    return (growth ** (1 / blocks) - 1) / rho


@record("wrong", "divides the growth among the blocks instead of taking a root")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth - 1) / (blocks * rho))


@record("wrong", "ignores the number of blocks")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth - 1) / rho)


@record("wrong", "forgets the 1 of the skip")
def branch_scale(blocks, rho, growth):
    return math.sqrt(growth ** (1 / blocks) / rho)


@record("wrong", "divides by rho outside the root")
def branch_scale(blocks, rho, growth):
    return math.sqrt(growth ** (1 / blocks) - 1) / rho


@record("wrong", "takes one over the root of the number of blocks, as in the table")
def branch_scale(blocks, rho, growth):
    return 1 / math.sqrt(blocks)


@record("wrong", "multiplies by rho instead of dividing")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth ** (1 / blocks) - 1) * rho)


@record("wrong", "takes the growth for that of the norm")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth ** (2 / blocks) - 1) / rho)


@record("wrong", "leaves out the brackets around 1 / blocks")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth**1 / blocks - 1) / rho)


@record("wrong", "takes the logarithm for the growth of one block, as for very many blocks")
def branch_scale(blocks, rho, growth):
    return math.sqrt(math.log(growth) / (blocks * rho))


@record("wrong", "divides whole numbers")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth ** (1 // blocks) - 1) / rho)


@record("wrong", "takes the negative root")
def branch_scale(blocks, rho, growth):
    return -math.sqrt((growth ** (1 / blocks) - 1) / rho)


@record("wrong", "takes the square root of the growth whatever the number of blocks")
def branch_scale(blocks, rho, growth):
    return math.sqrt((math.sqrt(growth) - 1) / rho)


@record("wrong", "takes the power of blocks instead of the root")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth**blocks - 1) / rho)


@record("wrong", "ignores rho")
def branch_scale(blocks, rho, growth):
    return math.sqrt(growth ** (1 / blocks) - 1)


@record("wrong", "adds 1 instead of subtracting it")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth ** (1 / blocks) + 1) / rho)


@record("wrong", "leaves out the brackets around growth - 1")
def branch_scale(blocks, rho, growth):
    return math.sqrt(growth ** (1 / blocks) - 1 / rho)


@record("wrong", "subtracts 1 before the root of blocks")
def branch_scale(blocks, rho, growth):
    return math.sqrt((growth - 1) ** (1 / blocks) / rho)


@record("wrong", "squares rho instead of the factor")
def branch_scale(blocks, rho, growth):
    return (growth ** (1 / blocks) - 1) / rho**2


@record("right", "expm1 and log")
def branch_scale(blocks, rho, growth):
    return math.sqrt(math.expm1(math.log(growth) / blocks) / rho)


@record("right", "bisection")
def branch_scale(blocks, rho, growth):
    low, high = 0.0, math.sqrt(growth / rho)
    for _ in range(200):
        s = (low + high) / 2
        low, high = (low, s) if blocks * math.log1p(s * s * rho) > math.log(growth) else (s, high)
    return s


@record("right", "numpy, returns a numpy scalar")
def branch_scale(blocks, rho, growth):
    each = np.exp(np.log(growth) / blocks)
    return np.sqrt((each - 1) / rho)


record("right", "a lambda, a tensor for a float", "branch_scale")(
    lambda blocks, rho, growth: (
        torch.tensor(growth).double().log().div(blocks).expm1().div(rho).sqrt()
    )
)


@record("two", "returns the square of the factor and divides the growth among the blocks")
def branch_scale(blocks, rho, growth):
    return (growth - 1) / (blocks * rho)


@record("two", "returns the square of the factor and ignores the number of blocks")
def branch_scale(blocks, rho, growth):
    return (growth - 1) / rho


@record("two", "forgets the 1 of the skip and divides by rho outside the root")
def branch_scale(blocks, rho, growth):
    return growth ** (1 / (2 * blocks)) / rho


@record("two", "multiplies by rho instead of dividing and returns the square of the factor")
def branch_scale(blocks, rho, growth):
    return (growth ** (1 / blocks) - 1) * rho


# 8.3 path_shares


def passed(rhos):
    shares = [1.0]
    for rho in rhos:
        shares = [a + rho * b for a, b in zip([*shares, 0.0], [0.0, *shares], strict=True)]
    return shares


@record("wrong", "does not divide by the sum")
def path_shares(rhos):
    return passed(rhos)


@record("wrong", "lists the longest paths first")
def path_shares(rhos):
    shares = passed(rhos)[::-1]
    return [share / sum(shares) for share in shares]


@record("wrong", "takes the mean rho for every block")
def path_shares(rhos):
    n, rho = len(rhos), statistics.mean(rhos)
    return [math.comb(n, k) * rho**k / (1 + rho) ** n for k in range(n + 1)]


@record("wrong", "takes the first rho for every block")
def path_shares(rhos):
    n, rho = len(rhos), rhos[0]
    return [math.comb(n, k) * rho**k / (1 + rho) ** n for k in range(n + 1)]


@record("wrong", "leaves out length 0")
def path_shares(rhos):
    shares = passed(rhos)
    return [share / sum(shares) for share in shares[1:]]


@record("wrong", "leaves out the greatest length")
def path_shares(rhos):
    shares = passed(rhos)
    return [shares[k] / sum(shares) for k in range(len(rhos))]


@record("wrong", "divides by the number of paths")
def path_shares(rhos):
    return [share / 2 ** len(rhos) for share in passed(rhos)]


@record("wrong", "reads entries that it has already changed")
def path_shares(rhos):
    shares = [1.0] + [0.0] * len(rhos)
    for rho in rhos:
        for k in range(1, len(shares)):
            shares[k] += rho * shares[k - 1]
    return [share / sum(shares) for share in shares]


@record("wrong", "divides by the largest")
def path_shares(rhos):
    shares = passed(rhos)
    return [share / max(shares) for share in shares]


@record("wrong", "squares rho")
def path_shares(rhos):
    shares = passed([rho**2 for rho in rhos])
    return [share / sum(shares) for share in shares]


@record("wrong", "takes shares of the norm instead of its square")
def path_shares(rhos):
    shares = passed([math.sqrt(rho) for rho in rhos])
    return [share / sum(shares) for share in shares]


@record("wrong", "adds the shares up as it goes")
def path_shares(rhos):
    shares = passed(rhos)
    return [sum(shares[: k + 1]) / sum(shares) for k in range(len(shares))]


@record("wrong", "takes rho for the probability of the branch")
def path_shares(rhos):
    shares = np.ones(1)
    for rho in rhos:
        shares = np.convolve(shares, [1 - rho, rho])
    return shares.tolist()


@record("wrong", "counts the paths and ignores rho")
def path_shares(rhos):
    n = len(rhos)
    return [math.comb(n, k) / 2**n for k in range(n + 1)]


@record("wrong", "returns the mean length")
def path_shares(rhos):
    return sum(rho / (1 + rho) for rho in rhos)


@record("wrong", "leaves out the last block")
def path_shares(rhos):
    shares = np.ones(1)
    for k in range(len(rhos) - 1):
        shares = np.convolve(shares, [1, rhos[k]])
    return list(shares / shares.sum())


@record("wrong", "forgets how many paths there are of each length")
def path_shares(rhos):
    worth = [math.prod(rhos[:k]) for k in range(len(rhos) + 1)]
    return [w / sum(worth) for w in worth]


@record("wrong", "divides by the sum of the rhos")
def path_shares(rhos):
    return [share / sum(rhos) for share in passed(rhos)]


@record("wrong", "returns in the first turn of the loop")
def path_shares(rhos):
    shares = [1.0]
    for rho in rhos:
        shares = [a + rho * b for a, b in zip([*shares, 0.0], [0.0, *shares], strict=True)]
        return [share / sum(shares) for share in shares]


@record("right", "one probability a block, convolved by numpy, as an array")
def path_shares(rhos):
    pairs = [np.array([1, rho]) / (1 + rho) for rho in rhos]
    return functools.reduce(np.convolve, pairs, np.ones(1))


@record("right", "in place, from the longest paths down")
def path_shares(rhos):
    shares = [1.0] + [0.0] * len(rhos)
    for rho in rhos:
        for k in range(len(shares) - 1, 0, -1):
            shares[k] = (shares[k] + rho * shares[k - 1]) / (1 + rho)
        shares[0] /= 1 + rho
    return shares


@record("right", "recursion from the last block, as a tensor")
def path_shares(rhos):
    def sort(rest):
        if not rest:
            return torch.ones(1, dtype=torch.float64)
        shares = sort(rest[:-1]) / (1 + rest[-1])
        none = torch.zeros(1, dtype=torch.float64)
        return torch.cat([shares, none]) + rest[-1] * torch.cat([none, shares])

    return sort(rhos)


@record("right", "a dictionary of lengths")
def path_shares(rhos):
    paths = {0: 1.0}
    for rho in rhos:
        last, paths = paths, dict.fromkeys(range(len(paths) + 1), 0.0)
        for length, share in last.items():
            paths[length] += share
            paths[length + 1] += share * rho
    return [share / math.fsum(paths.values()) for share in paths.values()]


@record("two", "does not divide by the sum and lists the longest paths first")
def path_shares(rhos):
    return passed(rhos)[::-1]


@record("two", "takes the mean rho for every block and does not divide by the sum")
def path_shares(rhos):
    n, rho = len(rhos), np.mean(rhos)
    return [math.comb(n, k) * rho**k for k in range(n + 1)]


@record("two", "takes the first rho for every block and leaves out length 0")
def path_shares(rhos):
    n, rho = len(rhos), rhos[0]
    return [math.comb(n, k) * rho**k / (1 + rho) ** n for k in range(1, n + 1)]


@record("two", "divides by the number of paths and lists the longest paths first")
def path_shares(rhos):
    return [share / 2 ** len(rhos) for share in reversed(passed(rhos))]
