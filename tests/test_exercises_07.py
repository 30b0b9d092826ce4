"""Right answers to the exercises of lesson 07, and its references against facts."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from helpers import exercises, theory
from helpers.exercises.compare import difference
from helpers.exercises.marking import judge

# Answers as learners write them


def factor_by_branches(slopes, outputs, norm):
    spread = outputs.var(unbiased=False) if norm == "batch" else outputs.pow(2).mean()
    return (slopes.pow(2).mean() / spread).sqrt()


def factor_by_sums(slopes, outputs, norm):
    if norm == "batch":
        outputs = outputs - outputs.mean()
    return slopes.norm() / outputs.norm()


def factor_in_numpy(slopes, outputs, norm):
    h = outputs.numpy()
    return math.sqrt(
        np.mean(slopes.numpy() ** 2) / (np.var(h) if norm == "batch" else h @ h / len(h))
    )


def running_by_hand(batches, momentum):
    running = torch.ones(batches[0].shape[1])
    for batch in batches:
        running = (1 - momentum) * running + momentum * batch.var(dim=0)
    return running


def running_in_place(batches, momentum):
    running = np.ones(batches[0].shape[1])
    for batch in batches:
        running += momentum * (np.var(batch.numpy(), axis=0, ddof=1) - running)
    return running


def running_by_pytorch(batches, momentum):
    layer = nn.BatchNorm1d(batches[0].shape[1], momentum=momentum).to(batches[0].dtype)
    for batch in batches:
        layer(batch)
    return layer.running_var


def by_autograd(x, upstream, eps):
    x.requires_grad_()
    output = (x - x.mean(dim=0)) / (x.var(dim=0, unbiased=False) + eps).sqrt()
    (gradient,) = torch.autograd.grad(output, x, upstream)
    return output, gradient


def by_pytorch(x, upstream, eps):
    x = x.double().requires_grad_()
    output = functional.batch_norm(x, None, None, training=True, eps=eps)
    output.backward(upstream.double())
    return [output, x.grad]


def by_closed_form(x, upstream, eps):
    scale = (x.var(dim=0, correction=0) + eps).sqrt()
    output = (x - x.mean(dim=0)) / scale
    gradient = upstream - upstream.mean(dim=0) - output * (upstream * output).mean(dim=0)
    return [output, gradient / scale]


def by_projection(x, upstream, eps):
    batch = len(x)
    centre = np.eye(batch) - 1 / batch
    deviations = centre @ x.double().numpy()
    scale = np.sqrt((deviations**2).sum(axis=0) / batch + eps)
    output = deviations / scale
    columns = [
        (centre - np.outer(h, h) / batch) @ g / s
        for h, g, s in zip(output.T, upstream.double().numpy().T, scale, strict=True)
    ]
    return [output, np.stack(columns, axis=1)]


SOLUTIONS = [
    ("layer_factor", factor_by_branches),
    ("layer_factor", factor_by_sums),
    ("layer_factor", factor_in_numpy),
    ("running_variance", running_by_hand),
    ("running_variance", running_in_place),
    ("running_variance", running_by_pytorch),
    ("batch_norm_with_gradient", by_autograd),
    ("batch_norm_with_gradient", by_pytorch),
    ("batch_norm_with_gradient", by_closed_form),
    ("batch_norm_with_gradient", by_projection),
]


def questions(name, seed=0):
    return exercises.ALL[name].questions(np.random.default_rng(seed))


# References against independent facts


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("name", ["relu", "sigmoid", "gelu", "linear"])
def test_layer_factor_on_a_fine_sample_is_what_theory_integrates(name, norm):
    count = 20_001
    ranks = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    z = torch.special.ndtri(ranks).requires_grad_()  # as even a normal sample as there is
    outputs = theory.ACTIVATIONS[name](z)
    (slopes,) = torch.autograd.grad(outputs.sum(), z)
    found = exercises.ALL["layer_factor"].reference(slopes, outputs.detach(), norm)
    assert found == pytest.approx(theory.norm_factor(name, norm), rel=2e-3)


def test_layer_factor_of_relu_behind_batch_norm_has_a_closed_form():
    z = torch.special.ndtri((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000)
    found = exercises.ALL["layer_factor"].reference((z > 0).double(), z.relu(), "batch")
    assert found == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=1e-3)


def test_running_variance_is_what_pytorch_keeps():
    for seed in range(4):
        for question in questions("running_variance", seed):
            batches, momentum = question.arguments.values()
            kept = running_by_pytorch([batch.double() for batch in batches], momentum)
            np.testing.assert_allclose(question.expected, kept.numpy(), rtol=1e-6)


def test_running_variance_starts_at_one_and_ends_at_the_batch():
    reference = exercises.ALL["running_variance"].reference
    batch = torch.tensor([[1.0], [5.0]])
    assert reference([batch], 0.1) == pytest.approx([0.9 + 0.1 * 8])
    assert reference([batch] * 400, 0.1) == pytest.approx([8.0])


def test_batch_norm_with_gradient_is_what_pytorch_and_finite_differences_find():
    for question in questions("batch_norm_with_gradient", 5):
        x, upstream, eps = question.arguments.values()
        for ours, theirs in zip(question.expected, by_pytorch(x, upstream, eps), strict=True):
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)

        def loss(values, upstream=upstream, eps=eps):
            output = exercises.ALL["batch_norm_with_gradient"].reference(values, upstream, eps)[0]
            return (output * upstream.double().numpy()).sum()

        for place in np.ndindex(*x.shape):
            step = torch.zeros(x.shape, dtype=torch.float64)
            step[place] = 1e-5
            slope = (loss(x.double() + step) - loss(x.double() - step)) / 2e-5
            assert slope == pytest.approx(question.expected[1][place], rel=1e-4, abs=1e-8)


def test_two_samples_get_no_gradient_through_batch_norm():
    output, gradient = exercises.ALL["batch_norm_with_gradient"].reference(
        torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [2.0]]), 1e-5
    )
    assert output == pytest.approx(np.array([[-1.0], [1.0]]), rel=1e-5)
    assert abs(gradient).max() < 1e-5


# The wrong answers are what people really write


def with_constants(x, upstream, eps):
    x.requires_grad_()
    with torch.no_grad():
        mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
    output = (x - mean) / (variance + eps).sqrt()
    return output, torch.autograd.grad(output, x, upstream)[0]


def with_a_function(function, x, upstream, eps):
    x.requires_grad_()
    output = function(x, eps)
    return output, torch.autograd.grad(output, x, upstream)[0]


def mean_kept(x, eps):
    deviations = x - x.mean(dim=0).detach()
    return deviations / (x.var(dim=0, unbiased=False) + eps).sqrt()


def variance_kept(x, eps):
    return (x - x.mean(dim=0)) / (x.var(dim=0, unbiased=False).detach() + eps).sqrt()


def unbiased(x, eps):
    return (x - x.mean(dim=0)) / (x.var(dim=0) + eps).sqrt()


def eps_outside(x, eps):
    return (x - x.mean(dim=0)) / (x.std(dim=0, unbiased=False) + eps)


@pytest.mark.parametrize(
    ("answer", "misconception"),
    [
        (with_constants, "statistics held constant"),
        (partial(with_a_function, mean_kept), "mean held constant"),
        (partial(with_a_function, variance_kept), "variance held constant"),
        (partial(with_a_function, unbiased), "divided by one less"),
        (partial(with_a_function, eps_outside), "eps after the root"),
        (
            partial(with_a_function, lambda x, eps: functional.layer_norm(x, x.shape[1:], eps=eps)),
            "each sample by itself",
        ),
    ],
)
def test_what_autograd_makes_of_a_wrong_forward_pass_is_recognised(answer, misconception):
    for seed in range(8):
        verdict = judge(exercises.ALL["batch_norm_with_gradient"], answer, seed)
        assert (verdict.status, verdict.misconception) == ("wrong", misconception)


def test_a_right_output_hides_a_wrong_gradient():
    exercise = exercises.ALL["batch_norm_with_gradient"]
    for question in questions("batch_norm_with_gradient"):
        output, gradient = with_constants(*question.arguments.values())
        assert difference(output, question.expected[0], exercise.rtol, exercise.atol) is None
        assert difference(gradient, question.expected[1], exercise.rtol, exercise.atol)


def test_torch_var_as_it_comes_is_recognised_in_layer_factor():
    def careless(slopes, outputs, norm):
        spread = outputs.var() if norm == "batch" else outputs.pow(2).mean()
        return (slopes.pow(2).mean() / spread).sqrt()

    verdict = judge(exercises.ALL["layer_factor"], careless)
    assert verdict.misconception == "one sample less"
    assert [part.points for part in verdict.parts] == [1, 0]


def test_keras_habit_is_recognised():
    def keras(batches, momentum):
        running = torch.ones(batches[0].shape[1])
        for batch in batches:
            running = momentum * running + (1 - momentum) * batch.var(dim=0)
        return running

    verdict = judge(exercises.ALL["running_variance"], keras)
    assert verdict.misconception == "momentum the other way round"
