"""Learners' answers to the exercises of lesson 03."""

# ruff: noqa: F811, RET503

import math
import statistics

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 3.1 layer_ledger


def slope(z):
    return torch.sigmoid(z) * (1 - torch.sigmoid(z))


def decades(before, after):
    return math.log10(before.norm() / after.norm())


@record("wrong", "lists the slopes first")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [decades(back, back * slope(z)), decades(delta, back)]


@record("wrong", "takes the natural logarithm for log10")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    out = back * slope(z)
    return [torch.log(a.norm() / b.norm()).item() for a, b in ((delta, back), (back, out))]


@record("wrong", "counts a loss as negative")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    out = back * slope(z)
    return [decades(back, delta), decades(out, back)]


@record("wrong", "charges the slopes with the whole loss")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [decades(delta, back), decades(delta, back * slope(z))]


@record("wrong", "takes the slope of tanh for that of the sigmoid")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [decades(delta, back), decades(back, back * (1 - torch.tanh(z) ** 2))]


@record("wrong", "averages the norms of the rows instead of taking one over the batch")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    a, b, c = (t.norm(dim=1).mean() for t in (delta, back, back * slope(z)))
    return [math.log10(a / b), math.log10(b / c)]


@record("wrong", "averages the decades of the rows instead of taking one norm over the batch")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    a, b, c = (t.norm(dim=1).log10() for t in (delta, back, back * slope(z)))
    return [(a - b).mean().item(), (b - c).mean().item()]


@record("wrong", "multiplies by the transpose of W")
def layer_ledger(delta, weight, z):
    back = delta @ weight.T
    return [decades(delta, back), decades(back, back * slope(z))]


@record("wrong", "takes the squared norms")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    a, b, c = (t.square().sum().item() for t in (delta, back, back * slope(z)))
    return [math.log10(a / b), math.log10(b / c)]


@record("wrong", "multiplies by the sigmoid instead of its slope")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [decades(delta, back), decades(back, back * torch.sigmoid(z))]


@record("wrong", "puts z instead of sigmoid z into the slope")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [decades(delta, back), decades(back, back * z * (1 - z))]


@record("wrong", "takes the mean slope instead of what it makes of the delta")
def layer_ledger(delta, weight, z):
    return [decades(delta, delta @ weight), -math.log10(slope(z).mean())]


@record("wrong", "takes the norm of W instead of what it makes of the delta")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [-math.log10(weight.norm()), decades(back, back * slope(z))]


@record("wrong", "takes the spectral norm of each matrix")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    a, b, c = (torch.linalg.norm(t, 2) for t in (delta, back, back * slope(z)))
    return [math.log10(a / b), math.log10(b / c)]


@record("wrong", "works for a single unit only")
def layer_ledger(delta, weight, z):
    return [-math.log10(abs(weight.item())), -math.log10(slope(z).item())]


@record("wrong", "looks at the first input of the batch only")
def layer_ledger(delta, weight, z):
    back = delta[0] @ weight
    return [decades(delta[0], back), decades(back, back * slope(z[0]))]


@record("wrong", "adds the two losses up")
def layer_ledger(delta, weight, z):
    return decades(delta, delta @ weight * slope(z))


@record("wrong", "passes the slopes before the weights")
def layer_ledger(delta, weight, z):
    after = delta * slope(z)
    return [decades(after, after @ weight), decades(delta, after)]


@record("right", "numpy, differences of logarithms")
def layer_ledger(delta, weight, z):
    d, w, s = delta.numpy(), weight.numpy(), 1 / (1 + np.exp(-z.numpy()))
    norms = [np.linalg.norm(t) for t in (d, d @ w, d @ w * s * (1 - s))]
    return list(-np.diff(np.log10(norms)))


@record("right", "autograd, half the logarithms of the squares")
def layer_ledger(delta, weight, z):
    z = z.detach().clone().requires_grad_()
    h = torch.sigmoid(z)
    grads = (delta, *torch.autograd.grad(h @ weight.T, (h, z), delta))
    a, b, c = (math.log10(g.square().sum()) / 2 for g in grads)
    return [a - b, b - c]


@record("right", "einsum, returns a tensor for a list")
def layer_ledger(delta, weight, z):
    back = torch.einsum("bo,oi->bi", delta, weight)
    out = back * torch.sigmoid(z) * torch.sigmoid(-z)
    a, b, c = (torch.linalg.matrix_norm(t.double()) for t in (delta, back, out))
    return torch.stack([a / b, b / c]).log10()


@record("two", "lists the slopes first and counts a loss as negative")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [decades(back * slope(z), back), decades(back, delta)]


@record("two", "takes the natural logarithm for log10 and the slope of tanh for the sigmoid's")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    a, b, c = (t.norm() for t in (delta, back, back * (1 - torch.tanh(z) ** 2)))
    return [math.log(a / b), math.log(b / c)]


@record("two", "charges the slopes with the whole loss and takes the squared norms")
def layer_ledger(delta, weight, z):
    back = delta @ weight
    return [2 * decades(delta, back), 2 * decades(delta, back * slope(z))]


# 3.2 effects


@record("wrong", "counts what each change costs instead of what it saves")
def effects(lost):
    (n, s), (f, b) = lost
    return [(f - n + b - s) / 2, (s - n + b - f) / 2, b - f - s + n]


@record("wrong", "has the sign of the interaction wrong")
def effects(lost):
    (n, s), (f, b) = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2, n + b - f - s]


@record("wrong", "looks at each change in the absence of the other only")
def effects(lost):
    (n, s), (f, b) = lost
    return [n - f, n - s, f + s - n - b]


@record("wrong", "looks at each change in the presence of the other only")
def effects(lost):
    (n, s), (f, b) = lost
    return [s - b, f - b, f + s - n - b]


@record("wrong", "swaps rows and columns")
def effects(lost):
    (n, f), (s, b) = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2, f + s - n - b]


@record("wrong", "adds the two savings without halving")
def effects(lost):
    (n, s), (f, b) = lost
    return [n - f + s - b, n - s + f - b, f + s - n - b]


@record("wrong", "halves the interaction as well")
def effects(lost):
    (n, s), (f, b) = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2, (f + s - n - b) / 2]


@record("wrong", "takes the interaction beyond the two main effects, which is always 0")
def effects(lost):
    (n, s), (f, b) = lost
    first, second = (n - f + s - b) / 2, (n - s + f - b) / 2
    return [first, second, (n - b) - first - second]


@record("wrong", "drops the sign of the interaction")
def effects(lost):
    (n, s), (f, b) = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2, abs(f + s - n - b)]


@record("wrong", "returns all that both save as the interaction")
def effects(lost):
    (n, s), (f, b) = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2, n - b]


@record("wrong", "divides what is lost instead of subtracting it")
def effects(lost):
    (n, s), (f, b) = lost
    return [(n / f + s / b) / 2, (n / s + f / b) / 2, f + s - n - b]


@record("wrong", "averages what is still lost with the change")
def effects(lost):
    (n, s), (f, b) = lost
    return [(f + b) / 2, (s + b) / 2, f + s - n - b]


@record("wrong", "leaves out the interaction")
def effects(lost):
    (n, s), (f, b) = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2]


@record("wrong", "halves with whole numbers")
def effects(lost):
    (n, s), (f, b) = lost
    return [(n - f + s - b) // 2, (n - s + f - b) // 2, f + s - n - b]


@record("wrong", "halves the second saving only")
def effects(lost):
    (n, s), (f, b) = lost
    return [n - f + (s - b) / 2, n - s + (f - b) / 2, f + s - n - b]


@record("wrong", "reads the table as a flat list")
def effects(lost):
    n, s, f, b = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2, f + s - n - b]


@record("wrong", "takes the interaction as the difference of the main effects")
def effects(lost):
    (n, s), (f, b) = lost
    first, second = (n - f + s - b) / 2, (n - s + f - b) / 2
    return [first, second, first - second]


@record("right", "numpy, means and differences along the axes")
def effects(lost):
    table = np.array(lost)
    first, second = -np.diff(table.mean(axis=1)), -np.diff(table.mean(axis=0))
    return [first[0], second[0], -np.diff(np.diff(table, axis=0))[0, 0]]


@record("right", "a product with a matrix of contrasts, returns a tensor for a list")
def effects(lost):
    contrasts = torch.tensor([[1, 1, -1, -1], [1, -1, 1, -1], [-2, 2, 2, -2]]).double() / 2
    return contrasts @ torch.tensor(lost).double().flatten()


@record("right", "the saving of the second with and without the first, returns a tuple")
def effects(lost):
    def save(before, after):
        return before - after

    alone, beside = save(*lost[0]), save(*lost[1])
    first = statistics.mean([lost[0][0] - lost[1][0], lost[0][1] - lost[1][1]])
    return first, statistics.mean([alone, beside]), beside - alone


@record("two", "swaps rows and columns and adds the two savings without halving")
def effects(lost):
    (n, f), (s, b) = lost
    return [n - f + s - b, n - s + f - b, f + s - n - b]


@record("two", "looks at each change alone and has the sign of the interaction wrong")
def effects(lost):
    n, s, f, b = *lost[0], *lost[1]
    return [n - f, n - s, (n - f) + (n - s) - (n - b)]


@record("two", "swaps rows and columns and halves the interaction as well")
def effects(lost):
    (n, f), (s, b) = lost
    return [(n - f + s - b) / 2, (n - s + f - b) / 2, (f + s - n - b) / 2]


@record("two", "counts costs instead of savings and leaves out the interaction")
def effects(lost):
    t = np.array(lost)
    return [t[1].mean() - t[0].mean(), t[:, 1].mean() - t[:, 0].mean()]


# 3.3 first_depth


@record("wrong", "returns the place in the list instead of the depth")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios):
        if statistics.geometric_mean(row) < share:
            return depth
    return math.inf


@record("wrong", "begins at depth 1")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 1):
        if statistics.geometric_mean(row) < share:
            return depth
    return math.inf


@record("wrong", "takes the arithmetic mean")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if sum(row) / len(row) < share:
            return depth
    return math.inf


@record("wrong", "takes the median")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if statistics.median(row) < share:
            return depth
    return math.inf


@record("wrong", "also stops where the mean is equal to the share")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if np.mean(np.log(row)) <= math.log(share):
            return depth
    return math.inf


@record("wrong", "returns nothing if there is no such depth")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if statistics.geometric_mean(row) < share:
            return depth


@record("wrong", "returns the last such depth")
def first_depth(ratios, share):
    found = math.inf
    for depth, row in enumerate(ratios, 2):
        if statistics.geometric_mean(row) < share:
            found = depth
    return found


@record("wrong", "returns -1 if there is no such depth")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if statistics.geometric_mean(row) < share:
            return depth
    return -1


@record("wrong", "stops as soon as any network is below the share")
def first_depth(ratios, share):
    return next((n for n, row in enumerate(ratios, 2) if min(row) < share), math.inf)


@record("wrong", "waits until all networks are below the share")
def first_depth(ratios, share):
    return next((n for n, row in enumerate(ratios, 2) if max(row) < share), math.inf)


@record("wrong", "compares log10 with the natural logarithm")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if np.mean(np.log10(row)) < math.log(share):
            return depth
    return math.inf


@record("wrong", "returns the depth with the smallest mean")
def first_depth(ratios, share):
    means = [statistics.geometric_mean(row) for row in ratios]
    return means.index(min(means)) + 2 if min(means) < share else math.inf


@record("wrong", "looks at the first network of each depth only")
def first_depth(ratios, share):
    return next((n for n, row in enumerate(ratios, 2) if row[0] < share), math.inf)


@record("wrong", "multiplies the ratios and forgets the root")
def first_depth(ratios, share):
    return next((n for n, row in enumerate(ratios, 2) if math.prod(row) < share), math.inf)


@record("wrong", "looks for a mean above the share")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if statistics.geometric_mean(row) > share:
            return depth
    return math.inf


@record("wrong", "counts the depths below the share")
def first_depth(ratios, share):
    below = sum(statistics.geometric_mean(row) < share for row in ratios)
    return below or math.inf


@record("wrong", "takes the square root however many networks there are")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if math.sqrt(math.prod(row)) < share:
            return depth
    return math.inf


@record("wrong", "takes the root by the number of depths instead of networks")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if math.prod(row) ** (1 / len(ratios)) < share:
            return depth
    return math.inf


@record("wrong", "gives up after the first row")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 2):
        if statistics.geometric_mean(row) < share:
            return depth
        else:  # noqa: RET505
            return math.inf


@record("right", "one expression, a mean of logarithms")
def first_depth(ratios, share):
    rows = ([math.log10(ratio / share) for ratio in row] for row in ratios)
    return next((n for n, row in enumerate(rows, 2) if sum(row) < 0), math.inf)


@record("right", "numpy, returns a numpy integer")
def first_depth(ratios, share):
    below = np.array([np.log(row).mean() for row in ratios]) < np.log(share)
    return np.argmax(below) + 2 if below.any() else np.inf


@record("right", "recursion")
def first_depth(ratios, share):
    def search(rows, depth):
        if not rows:
            return math.inf
        return depth if statistics.geometric_mean(rows[0]) < share else search(rows[1:], depth + 1)

    return search(ratios, 2)


@record("right", "backward, the smallest of all such depths, as a float")
def first_depth(ratios, share):
    found = math.inf
    for depth in range(len(ratios) + 1, 1, -1):
        row = torch.tensor(ratios[depth - 2], dtype=torch.float64)
        found = float(depth) if row.log().mean() < math.log(share) else found
    return found


@record("two", "takes the arithmetic mean and returns the place in the list")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios):
        if np.mean(row) < share:
            return depth
    return math.inf


@record("two", "begins at depth 1 and returns nothing if there is no such depth")
def first_depth(ratios, share):
    for i in range(len(ratios)):
        if statistics.geometric_mean(ratios[i]) < share:
            return i + 1


@record("two", "takes the median and begins at depth 1")
def first_depth(ratios, share):
    for depth, row in enumerate(ratios, 1):
        if np.median(row) < share:
            return depth
    return math.inf


@record("two", "multiplies the ratios and forgets the root and returns the last such depth")
def first_depth(ratios, share):
    below = [depth for depth, row in enumerate(ratios, 2) if np.prod(row) < share]
    return below[-1] if below else math.inf
