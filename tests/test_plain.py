import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import plain

NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def there_and_back(value):
    return plain.decoded(plain.encoded(value))


def framed(header, raw=b""):
    """Return bytes as an attacker would write them."""
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + raw


def same(one, other):
    """Compare by type and value, NaN equal to NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@given(VALUES)
def test_plain_values_come_back_equal_and_of_the_same_type(value):
    assert same(there_and_back(value), value)


def test_the_comparison_above_sees_a_difference():
    assert not same([1, (2,)], [1, [2]])
    assert not same({"a": 1.0}, {"a": 1})


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4), (2, 3)])
def test_arrays_come_back(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    back = there_and_back(array)
    assert type(back) is np.ndarray
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3).T, np.arange(4, dtype=">f8"), np.arange(8)[::2]],
    ids=["transposed", "big endian", "strided"],
)
def test_the_layout_in_memory_does_not_matter(array):
    np.testing.assert_array_equal(there_and_back(array), array)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3),
        torch.tensor(2.5, dtype=torch.bfloat16),
        torch.zeros(0, 3, dtype=torch.float64),
        torch.ones(3, requires_grad=True) * 2,
        torch.tensor([1 + 2j]).conj(),
        torch.arange(12).reshape(3, 4).t(),
        torch.tensor([True, False]),
    ],
    ids=str,
)
def test_tensors_come_back(tensor):
    back = there_and_back(tensor)
    assert type(back) is torch.Tensor
    assert back.dtype == tensor.dtype
    assert back.shape == tensor.shape
    assert not back.requires_grad
    assert torch.equal(back, tensor.detach())


def test_a_number_of_numpy_keeps_its_type():
    assert type(there_and_back(np.float32(1.5))) is np.float32
    assert type(there_and_back(np.bool_(True))) is np.bool_


class Liar(torch.Tensor):
    """A tensor that could answer for itself."""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({1, 2}, "set"),
        (Liar([1.0]), "Liar"),
        (np.array([object()]), "ndarray"),
        (torch.ones(2, 2).to_sparse(), "Tensor"),
        (torch.ones(2, device="meta"), "Tensor"),
        (10**400, "int"),
        ({1: 2}, "dict"),
        (type("Text", (str,), {})("x"), "Text"),
        (lambda: 1, "function"),
    ],
)
def test_what_is_not_plain_leaves_its_type_behind(value, name):
    assert there_and_back(value) == plain.Other(name)
    assert there_and_back([value]) == [plain.Other(name)]
    assert there_and_back(plain.Other(name)) == plain.Other(name)


def test_a_list_that_holds_itself_comes_to_an_end():
    endless: list = []
    endless.append(endless)
    text = repr(there_and_back(endless))
    assert "Other(type_name='list')" in text
    assert len(text) < 100


@pytest.mark.parametrize(
    "value", [np.zeros(plain.LARGEST + 1, dtype=np.uint8), "x" * (5 << 20), [0] * 20_000]
)
def test_what_is_too_large_is_refused(value):
    with pytest.raises(ValueError, match="too large to be sent"):
        plain.encoded(value)


GOOD = plain.encoded([torch.ones(3), 1.5, "x"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        GOOD[:-1],
        GOOD + b"x",
        framed("["),
        framed("[" * 100_000 + "]" * 100_000),
        framed('{"a": 1}'),
        framed("9" * 10_000),
        framed([0] * 20_000),
        framed({"tensor": "float32", "shape": [1 << 32, 1 << 32]}),
        framed({"tensor": "float32", "shape": [-1]}),
        framed({"tensor": "float32", "shape": [True]}, b"1234"),
        framed({"tensor": "float32", "shape": "3"}),
        framed({"tensor": ["float32"], "shape": []}),
        framed({"tensor": "object", "shape": [1]}, b"12345678"),
        framed({"array": "O", "shape": [1]}, b"12345678"),
        framed({"array": "int8", "shape": [1] * 50}, b"1"),
        framed({"scalar": "int8", "shape": [2]}, b"12"),
        framed({"pickle": "int8", "shape": []}, b"1"),
        framed({"tuple": {"a": 1}}),
        framed({"dict": [1]}),
        framed({"other": 5}),
        framed({"shape": [1], "array": "int8"}, b"1"),
        (1 << 31).to_bytes(4, "big") + b"[]",
    ],
    ids=range(24),
)
def test_bytes_that_are_no_value_are_refused(data):
    with pytest.raises(ValueError, match="no plain value"):
        plain.decoded(data)


def test_a_good_value_is_not_refused():
    assert repr(plain.decoded(GOOD)) == "[tensor([1., 1., 1.]), 1.5, 'x']"


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_damaged_bytes_give_a_value_or_a_value_error(noise, place, byte):
    damaged = bytearray(GOOD)
    damaged[place % len(damaged)] = byte
    for data in (bytes(damaged), framed('["x", 1]')[:-1] + noise, noise):
        try:
            plain.decoded(data)
        except ValueError:
            continue


def test_a_decoded_array_can_be_changed_without_harm():
    back = there_and_back(np.ones(2))
    back[0] = 5
    assert there_and_back(np.ones(2))[0] == 1
