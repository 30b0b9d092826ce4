"""Learners' answers to the exercises of lesson 10."""

# ruff: noqa: F811, RET503

import math

import numpy as np
import torch

from tests.learners import Learner, recorder

ANSWERS: list[Learner] = []
record = recorder(ANSWERS)

# 10.1 clip_by_norm


@record("wrong", "squares in float32")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.norm().item()
    if norm <= max_norm:
        return gradient, norm
    return gradient * (max_norm / norm), norm


@record("wrong", "adds a millionth to the norm, as PyTorch does")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().norm().item()
    return gradient.double() * min(1.0, max_norm / (norm + 1e-6)), norm


@record("wrong", "scales short gradients up")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().norm().item()
    if norm == 0:
        return gradient, 0.0
    return gradient.double() / norm * max_norm, norm


@record("wrong", "clips each entry")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    return gradient.clamp(-max_norm, max_norm), gradient.double().norm().item()


@record("wrong", "asks for nan alone")
def clip_by_norm(gradient, max_norm):
    if gradient.isnan().any():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().norm().item()
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), norm


@record("wrong", "asks for inf alone")
def clip_by_norm(gradient, max_norm):
    if gradient.isinf().any():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().norm().item()
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), norm


@record("wrong", "sets the bad entries to 0 and goes on")
def clip_by_norm(gradient, max_norm):
    good = torch.where(gradient.isfinite(), gradient, 0).double()
    norm = good.norm().item()
    clipped = good * min(1.0, max_norm / max(norm, 1e-300))
    return clipped, norm


@record("wrong", "takes the mean square for the sum")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().pow(2).mean().sqrt().item()
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), norm


@record("wrong", "forgets the root")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().pow(2).sum().item()
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), norm


@record("wrong", "takes the largest entry for the norm")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.abs().max().item()
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), norm


@record("wrong", "reports the norm after clipping")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.double().norm().item()
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), min(norm, max_norm)


@record("wrong", "hands back what it refuses")
def clip_by_norm(gradient, max_norm):
    norm = gradient.double().norm().item()
    if not math.isfinite(norm):
        return gradient, math.inf
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), norm


@record("wrong", "reports 0 for what it refuses")
def clip_by_norm(gradient, max_norm):
    norm = gradient.double().norm().item()
    if not math.isfinite(norm):
        return torch.zeros_like(gradient), 0.0
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300)), norm


@record("wrong", "returns the gradient alone")
def clip_by_norm(gradient, max_norm):
    norm = gradient.double().norm().item()
    if not math.isfinite(norm):
        return torch.zeros_like(gradient)
    return gradient.double() * min(1.0, max_norm / max(norm, 1e-300))


@record("wrong", "takes the larger of the two factors")
def clip_by_norm(gradient, max_norm):
    norm = gradient.double().norm().item()
    if not math.isfinite(norm):
        return torch.zeros_like(gradient), math.inf
    return gradient.double() * max(1.0, max_norm / max(norm, 1e-300)), norm


@record("right", "numpy, and a maximum below the fraction line")
def clip_by_norm(gradient, max_norm):
    values = gradient.numpy().astype(np.float64)
    if not np.isfinite(values).all():
        return np.zeros(values.shape), np.inf
    norm = np.linalg.norm(values)
    return values / max(1.0, norm / max_norm), norm


@record("right", "plain Python over a flat list")
def clip_by_norm(gradient, max_norm):
    values = gradient.flatten().tolist()
    if not all(map(math.isfinite, values)):
        return torch.zeros(gradient.shape), float("inf")
    norm = math.hypot(*values)
    factor = max_norm / norm if norm > max_norm else 1
    return torch.tensor([factor * value for value in values]).reshape(gradient.shape), norm


@record("right", "a list, the gradient changed in place")
def clip_by_norm(gradient, max_norm):
    gradient = gradient.double()
    norm = float((gradient**2).sum() ** 0.5)
    if norm != norm or norm == math.inf:
        return [gradient.zero_(), math.inf]
    if norm > max_norm:
        gradient *= max_norm / norm
    return [gradient, norm]


@record("two", "takes the largest entry for the norm and scales short gradients up")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return torch.zeros_like(gradient), math.inf
    norm = gradient.abs().max().item()
    return gradient.double() * (max_norm / norm if norm else 1.0), norm


@record("two", "squares in float32 and reports 0 for what it refuses")
def clip_by_norm(gradient, max_norm):
    if not gradient.isfinite().all():
        return 0 * torch.ones_like(gradient), 0.0
    norm = gradient.norm().item()
    return gradient * (max_norm / norm) if norm > max_norm else gradient, norm


@record("two", "clips each entry and hands back what it refuses")
def clip_by_norm(gradient, max_norm):
    if not torch.isfinite(gradient).all():
        return gradient, math.inf
    return gradient.clamp(-max_norm, max_norm), gradient.double().norm().item()


# 10.2 accumulated_clip


def clip(total, max_norm):
    norm = total.norm().item()
    return total * (max_norm / norm) if norm > max_norm else total


@record("wrong", "adds up instead of averaging")
def accumulated_clip(gradients, sizes, scale, max_norm):
    return clip(sum(gradients) / scale, max_norm)


@record("wrong", "takes the plain mean of the parts")
def accumulated_clip(gradients, sizes, scale, max_norm):
    return clip(sum(gradients) / len(gradients) / scale, max_norm)


@record("wrong", "weights by size and divides by the number of parts")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = sum(size * g for g, size in zip(gradients, sizes, strict=True))
    return clip(total / len(gradients) / scale, max_norm)


@record("wrong", "weights by size and does not divide")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = sum(size * g for g, size in zip(gradients, sizes, strict=True))
    return clip(total / scale, max_norm)


@record("wrong", "clips each part")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = 0
    for g, size in zip(gradients, sizes, strict=True):
        total = total + clip(g / scale, max_norm) * size / sum(sizes)
    return total


@record("wrong", "clips what has been gathered after each part")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = torch.zeros_like(gradients[0])
    for g, size in zip(gradients, sizes, strict=True):
        total = clip(total + g / scale * size / sum(sizes), max_norm)
    return total


@record("wrong", "clips before unscaling")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = sum(size * g for g, size in zip(gradients, sizes, strict=True)) / sum(sizes)
    return clip(total, max_norm) / scale


@record("wrong", "leaves the scale in")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = sum(size * g for g, size in zip(gradients, sizes, strict=True)) / sum(sizes)
    return clip(total, max_norm)


@record("wrong", "does not clip")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = sum(size * g for g, size in zip(gradients, sizes, strict=True)) / sum(sizes)
    return total / scale


@record("wrong", "brings every gradient to the bound")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = sum(size * g for g, size in zip(gradients, sizes, strict=True)) / sum(sizes) / scale
    return total * max_norm / total.norm()


@record("wrong", "clips each entry")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = sum(size * g for g, size in zip(gradients, sizes, strict=True)) / sum(sizes) / scale
    return total.clamp(-max_norm, max_norm)


@record("wrong", "uses the last part alone")
def accumulated_clip(gradients, sizes, scale, max_norm):
    for g, size in zip(gradients, sizes, strict=True):
        total = size * g / sum(sizes) / scale
    return clip(total, max_norm)


@record("wrong", "leaves the loop after the first part")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = torch.zeros_like(gradients[0])
    for g, size in zip(gradients, sizes, strict=True):
        total = total + size * g / sum(sizes) / scale
        return clip(total, max_norm)


@record("right", "a running weighted mean")
def accumulated_clip(gradients, sizes, scale, max_norm):
    mean, seen = torch.zeros_like(gradients[0], dtype=torch.float64), 0
    for g, size in zip(gradients, sizes, strict=True):
        seen += size
        mean += (g / scale - mean) * size / seen
    return mean * min(1.0, max_norm / (mean.norm().item() + 1e-300))


@record("right", "numpy, with the bound scaled in place of the gradient")
def accumulated_clip(gradients, sizes, scale, max_norm):
    total = np.average([g.numpy().astype(float) for g in gradients], axis=0, weights=sizes)
    norm = np.sqrt(total @ total)
    return total / max(norm / max_norm, scale)


@record("right", "PyTorch's own clipping")
def accumulated_clip(gradients, sizes, scale, max_norm):
    weight = torch.zeros_like(gradients[0], requires_grad=True)
    shares = torch.tensor(sizes) / sum(sizes)
    weight.grad = (torch.stack(gradients) * shares[:, None]).sum(0) / scale
    torch.nn.utils.clip_grad_norm_(weight, max_norm)
    return weight.grad


@record("two", "takes the plain mean of the parts and clips before unscaling")
def accumulated_clip(gradients, sizes, scale, max_norm):
    return clip(sum(gradients) / len(gradients), max_norm) / scale


@record("two", "adds up and leaves the scale in")
def accumulated_clip(gradients, sizes, scale, max_norm):
    return clip(sum(gradients), max_norm)


@record("two", "clips each part and takes the plain mean")
def accumulated_clip(gradients, sizes, scale, max_norm):
    return sum(clip(g / scale, max_norm) for g in gradients) / len(gradients)
