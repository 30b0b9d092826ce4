"""Learners' answers to the exercises of lesson 06."""

# ruff: noqa: F811, RET503

import math
import statistics

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 6.1 typical_over_mean


@record("wrong", "forgets to halve beta")
def typical_over_mean(widths):
    return math.exp(-5 * sum(1 / n for n in widths))


@record("wrong", "has the sign wrong")
def typical_over_mean(widths):
    return math.exp(5 * sum(1 / n for n in widths) / 2)


@record("wrong", "forgets the 5")
def typical_over_mean(widths):
    return math.exp(-sum(1 / n for n in widths) / 2)


@record("wrong", "takes the mean width for all layers")
def typical_over_mean(widths):
    beta = 5 * len(widths) / statistics.mean(widths)
    return math.exp(-beta / 2)


@record("wrong", "takes one over the sum of the widths")
def typical_over_mean(widths):
    return math.exp(-5 / sum(widths) / 2)


@record("wrong", "takes the first width for all layers")
def typical_over_mean(widths):
    return math.exp(-2.5 * len(widths) / widths[0])


@record("wrong", "stays in logarithms")
def typical_over_mean(widths):
    return -5 * sum(1 / n for n in widths) / 2


@record("wrong", "leaves out the last layer")
def typical_over_mean(widths):
    return math.exp(-2.5 * sum(1 / widths[i] for i in range(len(widths) - 1)))


@record("wrong", "gives the ratio for the norm instead of its square")
def typical_over_mean(widths):
    return math.exp(-5 * sum(1 / n for n in widths) / 4)


@record("wrong", "divides whole numbers")
def typical_over_mean(widths):
    return math.exp(-sum(5 // n for n in widths) / 2)


@record("wrong", "stops after the first term of the exponential's series")
def typical_over_mean(widths):
    return 1 - 5 * sum(1 / n for n in widths) / 2


@record("wrong", "takes a power of 10 instead of e")
def typical_over_mean(widths):
    return 10 ** (-5 * sum(1 / n for n in widths) / 2)


@record("wrong", "multiplies by the widths instead of dividing")
def typical_over_mean(widths):
    return math.exp(-5 * sum(widths) / 2)


@record("wrong", "averages over the layers instead of adding them up")
def typical_over_mean(widths):
    return math.exp(-2.5 * statistics.mean(1 / n for n in widths))


@record("wrong", "sees each width once")
def typical_over_mean(widths):
    return math.exp(-2.5 * sum(1 / n for n in set(widths)))


@record("wrong", "takes the mean of log s for that of s")
def typical_over_mean(widths):
    beta = 5 * sum(1 / n for n in widths)
    return math.exp(-beta / 2) / (-beta / 2)


@record("wrong", "returns in the first turn of the loop")
def typical_over_mean(widths):
    beta = 0
    for n in widths:
        beta += 5 / n
        return math.exp(-beta / 2)


@record("wrong", "divides a number by a list")
def typical_over_mean(widths):
    return math.exp(-5 * sum(1 / widths) / 2)


@record("right", "a product with one factor a layer")
def typical_over_mean(widths):
    return math.prod(math.exp(-2.5 / n) for n in widths)


@record("right", "numpy, returns a numpy scalar")
def typical_over_mean(widths):
    return np.exp(-2.5 * np.sum(1 / np.asarray(widths)))


@record("right", "the harmonic mean of the widths")
def typical_over_mean(widths):
    return math.exp(-2.5 * len(widths) / statistics.harmonic_mean(widths))


@record("right", "recursion")
def typical_over_mean(widths):
    def share(rest):
        return math.e ** (-2.5 / rest[0]) * share(rest[1:]) if rest else 1.0

    return share(widths)


@record("two", "forgets to halve beta and has the sign wrong")
def typical_over_mean(widths):
    return math.exp(sum(5 / n for n in widths))


@record("two", "forgets the 5 and takes the mean width for all layers")
def typical_over_mean(widths):
    return math.exp(-len(widths) / np.mean(widths) / 2)


@record("two", "forgets to halve beta and leaves out the last layer")
def typical_over_mean(widths):
    return math.exp(-5 * sum(1 / n for n in widths[:-1]))


@record("two", "takes the first width for all layers and has the sign wrong")
def typical_over_mean(widths):
    return math.exp(5 * len(widths) / widths[0] / 2)


# 6.2 orthogonal_like


@record("wrong", "leaves the signs as QR makes them")
def orthogonal_like(matrix):
    rows, columns = matrix.shape
    if columns > rows:
        return torch.linalg.qr(matrix.T).Q.T
    return torch.linalg.qr(matrix).Q


@record("wrong", "turns rows instead of columns round")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    q = r.diagonal().sign()[:, None] * q
    return q.T if wide else q


@record("wrong", "forgets the case of more columns than rows")
def orthogonal_like(matrix):
    q, r = torch.linalg.qr(matrix)
    return q * r.diagonal().sign()


@record("wrong", "does not turn a wide matrix back")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    return q * r.diagonal().sign()


@record("wrong", "brings the columns to length 1 but not to right angles")
def orthogonal_like(matrix):
    dim = 1 if matrix.shape[1] > matrix.shape[0] else 0
    return matrix / matrix.norm(dim=dim, keepdim=True)


@record("wrong", "returns the nearest orthogonal matrix, by the SVD")
def orthogonal_like(matrix):
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u @ vh


@record("wrong", "does not bring the columns to length 1")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    q = q * r.diagonal()
    return q.T if wide else q


@record("wrong", "draws an orthogonal matrix at random")
def orthogonal_like(matrix):
    return torch.nn.init.orthogonal_(torch.empty_like(matrix))


@record("wrong", "subtracts the share along the original columns")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    columns, found = list(matrix if wide else matrix.T), []
    for k, v in enumerate(columns):
        shares = [(v @ u) / (u @ u) * u for u in columns[:k]]
        found.append(v - sum(shares))
    q = torch.stack([v / v.norm() for v in found])
    return q if wide else q.T


@record("wrong", "looks for the signs on the diagonal of Q")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, _ = torch.linalg.qr(matrix.T if wide else matrix)
    q = q * q.diagonal().sign()
    return q.T if wide else q


@record("wrong", "always works on the rows")
def orthogonal_like(matrix):
    q, r = torch.linalg.qr(matrix.T)
    return (q * r.diagonal().sign()).T


@record("wrong", "starts with the last column")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, r = torch.linalg.qr((matrix.T if wide else matrix).flip(1))
    q = (q * r.diagonal().sign()).flip(1)
    return q.T if wide else q


@record("wrong", "overwrites the matrix that it was given")
def orthogonal_like(matrix):
    columns = matrix if matrix.shape[1] > matrix.shape[0] else matrix.T
    for k, v in enumerate(columns):
        for u in columns[:k]:
            v -= (v @ u) * u
        v /= v.norm()
    return matrix


@record("wrong", "returns the triangular factor")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    r = torch.linalg.qr(matrix.T if wide else matrix).R
    r = r * r.diagonal().sign()[:, None]
    return r.T if wide else r


@record("wrong", "asks for the complete Q of a tall matrix")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, r = torch.linalg.qr(matrix.T if wide else matrix, mode="complete")
    q[:, : len(r.diagonal())] *= r.diagonal().sign()
    return q.T if wide else q


@record("wrong", "returns a list of columns")
def orthogonal_like(matrix):
    found = []
    for v in matrix if matrix.shape[1] > matrix.shape[0] else matrix.T:
        for u in found:
            v = v - (v @ u) * u
        found.append(v / v.norm())
    return found


@record("wrong", "turns every column round")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    q, r = torch.linalg.qr(matrix.T if wide else matrix)
    q = -q * r.diagonal().sign()
    return q.T if wide else q


@record("wrong", "subtracts the share along the column just before only")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    found = []
    for v in matrix if wide else matrix.T:
        v = v - (v @ found[-1]) * found[-1] if found else v
        found.append(v / v.norm())
    return torch.stack(found) if wide else torch.stack(found, dim=1)


@record("right", "Gram and Schmidt's loop")
def orthogonal_like(matrix):
    wide = matrix.shape[1] > matrix.shape[0]
    found = []
    for v in matrix if wide else matrix.T:
        for u in found:
            v = v - (v @ u) * u
        found.append(v / v.norm())
    return torch.stack(found) if wide else torch.stack(found, dim=1)


@record("right", "Cholesky's factor of the inner products")
def orthogonal_like(matrix):
    m = matrix.double()
    if m.shape[1] > m.shape[0]:
        return torch.linalg.solve(torch.linalg.cholesky(m @ m.T), m).to(matrix.dtype)
    return torch.linalg.solve(torch.linalg.cholesky(m.T @ m), m.T).T.to(matrix.dtype)


@record("right", "numpy, calls itself for a wide matrix")
def orthogonal_like(matrix):
    def tall(m):
        if m.shape[1] > m.shape[0]:
            return tall(m.T).T
        q, r = np.linalg.qr(m)
        return q @ np.diag(np.sign(np.diag(r)))

    return torch.from_numpy(tall(matrix.numpy()).copy())


@record("two", "leaves the signs as QR makes them and forgets the case of more columns than rows")
def orthogonal_like(matrix):
    return torch.linalg.qr(matrix).Q


@record("two", "looks for the signs on the diagonal of Q and forgets the wide case")
def orthogonal_like(matrix):
    q, _ = torch.linalg.qr(matrix)
    return q * torch.sign(torch.diag(q))


@record("two", "always works on the rows and leaves the signs as QR makes them")
def orthogonal_like(matrix):
    return torch.linalg.qr(matrix.T)[0].T


@record("two", "brings the columns to length 1 but not to right angles and forgets the wide case")
def orthogonal_like(matrix):
    return matrix / matrix.norm(dim=0)
