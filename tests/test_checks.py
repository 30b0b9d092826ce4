"""Every sentence about a wrong argument, and that right ones come back as plain values."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import checks


class Written:
    """Something that is not a number, however it calls itself."""

    def __repr__(self):
        return "3"


def refused(error, call):
    """The whole sentence of a refusal."""
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    return str(caught.value)


# -- Numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (2, 2.0),
        (0.5, 0.5),
        (0, 0.0),
        (1e308, 1e308),
        (10**300, 1e300),
        (5e-324, 5e-324),
        (Fraction(1, 4), 0.25),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.int8(3), 3.0),
        (np.uint64(3), 3.0),
        (np.array(0.5), 0.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor(0.5, requires_grad=True), 0.5),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (torch.tensor(3), 3.0),
        (torch.nn.Parameter(torch.tensor(0.5)), 0.5),
    ],
)
def test_a_number_comes_back_plain_however_it_is_wrapped(value, plain):
    for negative in (False, True):
        found = checks.number("gain", value, negative=negative)
        assert type(found) is float
        assert found == plain


def test_a_sign_is_allowed_or_not():
    assert checks.number("gain", -0.5, negative=True) == -0.5
    assert checks.number("gain", 0) == 0
    assert checks.number("gain", -0.0) == 0
    assert checks.number("gain", 1, positive=True) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (-1, "-1"),
        (-0.5, "-0.5"),
        (Fraction(-1, 2), "-1/2"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (np.float32(-0.5), "-0.5"),
        (np.float64(math.nan), "nan"),
        (np.array(math.inf), "inf"),
        (np.int64(-1), "-1"),
        (torch.tensor(-0.5), "-0.5"),
        (torch.tensor(math.nan), "nan"),
    ],
)
def test_a_number_of_the_wrong_sign_or_without_a_size_is_refused(value, written):
    sentence = f"gain must be finite and zero or positive, got {written}"
    assert refused(ValueError, lambda: checks.number("gain", value)) == sentence
    sentence = f"gain must be finite and positive, got {written}"
    assert refused(ValueError, lambda: checks.number("gain", value, positive=True)) == sentence


@pytest.mark.parametrize("value", [0, 0.0, -0.0, Fraction(0), np.float32(0), torch.tensor(0.0)])
def test_zero_is_refused_where_a_number_must_be_positive(value):
    sentence = refused(ValueError, lambda: checks.number("gain", value, positive=True))
    assert sentence.startswith("gain must be finite and positive, got ")
    assert float(sentence.split()[-1]) == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32(math.inf)])
def test_a_number_of_any_sign_is_still_finite(value):
    sentence = refused(ValueError, lambda: checks.number("shift", value, negative=True))
    assert sentence == f"shift must be finite, got {float(value)}"


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("kind", [int, Fraction])
def test_a_number_beyond_all_floats_is_refused_like_an_infinity(digits, kind):
    for value, written in ((kind(10**digits), "inf"), (kind(-(10**digits)), "-inf")):
        sentence = refused(ValueError, lambda big=value: checks.number("x", big, negative=True))
        assert sentence == f"x must be finite, got {written}"
        sentence = refused(ValueError, lambda big=value: checks.number("gain", big))
        assert sentence == f"gain must be finite and zero or positive, got {written}"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "True"),
        (False, "False"),
        (np.True_, "np.True_"),
        (np.array(True), "array(True)"),
        (torch.tensor(True), "tensor(True)"),
        ("1", "'1'"),
        (np.str_("1"), "np.str_('1')"),
        (np.array("1"), "array('1', dtype='<U1')"),
        (b"1", "b'1'"),
        (None, "None"),
        ([1], "[1]"),
        (1j, "1j"),
        (np.complex64(1), "np.complex64(1+0j)"),
        (torch.tensor(1j), "tensor(0.+1.j)"),
        (Decimal(1), "Decimal('1')"),
        (np.array([1.0]), "array([1.])"),
        (torch.tensor([1.0]), "tensor([1.])"),
        (float, "<class 'float'>"),
        (Written(), "3"),
    ],
)
def test_what_is_not_a_number_is_shown_as_it_was_written(value, written):
    for allowed in ({}, {"positive": True}, {"negative": True}):
        sentence = refused(TypeError, lambda named=allowed: checks.number("gain", value, **named))
        assert sentence == f"gain must be a number, got {written}"


@given(st.floats(allow_nan=False, allow_infinity=False) | st.fractions() | st.integers())
def test_a_number_is_allowed_by_its_sign_alone(value):
    plain = float(value)
    assert checks.number("shift", value, negative=True) == plain
    for positive, allowed in ((False, plain >= 0), (True, plain > 0)):
        if allowed:
            assert checks.number("gain", value, positive=positive) == plain
        else:
            refused(ValueError, lambda keep=positive: checks.number("gain", value, positive=keep))


# -- Whole numbers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        3,
        np.int8(3),
        np.uint64(3),
        np.array(3),
        torch.tensor(3),
        torch.tensor(3, dtype=torch.uint8),
    ],
)
def test_a_whole_number_comes_back_plain_however_it_is_wrapped(value):
    for limits in ({}, {"least": 3}, {"most": 3}, {"least": 3, "most": 3}, {"least": -1}):
        found = checks.whole("depth", value, **limits)
        assert type(found) is int
        assert found == 3


def test_a_whole_number_has_any_size_unless_a_limit_is_given():
    assert checks.whole("seed", -(10**400)) == -(10**400)
    assert checks.whole("seed", 0, least=0) == 0


@pytest.mark.parametrize("wrap", [int, np.int64, np.array, torch.tensor])
def test_a_whole_number_beyond_a_limit_is_refused_with_the_limit(wrap):
    assert refused(ValueError, lambda: checks.whole("depth", wrap(0), least=1)) == (
        "depth must be at least 1, got 0"
    )
    assert refused(ValueError, lambda: checks.whole("depth", wrap(9), most=8)) == (
        "depth must be at most 8, got 9"
    )
    for outside in (0, 9, -5):
        assert refused(
            ValueError, lambda n=outside: checks.whole("k", wrap(n), least=1, most=8)
        ) == (f"k must be between 1 and 8, got {outside}")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3.0, "3.0"),
        (2.5, "2.5"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (Fraction(3), "Fraction(3, 1)"),
        (Decimal(3), "Decimal('3')"),
        (True, "True"),
        (np.False_, "np.False_"),
        (torch.tensor(True), "tensor(True)"),
        (np.float64(3), "np.float64(3.0)"),
        (np.array(3.0), "array(3.)"),
        (torch.tensor(3.0), "tensor(3.)"),
        (np.array([3]), "array([3])"),
        (torch.tensor([3]), "tensor([3])"),
        ("3", "'3'"),
        (None, "None"),
        (Written(), "3"),
    ],
)
def test_what_is_not_a_whole_number_is_shown_as_it_was_written(value, written):
    for limits in ({}, {"least": 1}, {"least": 1, "most": 2}):
        sentence = refused(TypeError, lambda named=limits: checks.whole("depth", value, **named))
        assert sentence == f"depth must be a whole number, got {written}"


@given(
    value=st.integers(-20, 20),
    least=st.none() | st.integers(-20, 20),
    most=st.none() | st.integers(-20, 20),
)
def test_a_whole_number_is_allowed_between_its_limits(value, least, most):
    if (least is None or least <= value) and (most is None or value <= most):
        assert checks.whole("depth", value, least=least, most=most) == value
    else:
        sentence = refused(ValueError, lambda: checks.whole("k", value, least=least, most=most))
        named = [str(limit) for limit in (least, most) if limit is not None]
        assert [
            word for word in sentence.replace(",", "").split() if word.strip("-").isdigit()
        ] == [
            *named,
            str(value),
        ]


# -- Names -------------------------------------------------------------------------------

NAMES = ("relu", "leaky_relu", "tanh")


@pytest.mark.parametrize("choices", [NAMES, list(NAMES), dict.fromkeys(NAMES), iter(NAMES)])
def test_one_of_the_names_comes_back(choices):
    found = checks.choice("activation", np.str_("tanh"), choices)
    assert type(found) is str
    assert found == "tanh"


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("RELU", "did you mean 'relu'?"),
        ("leakyrelu", "did you mean 'leaky_relu'?"),
        ("tahn", "did you mean 'tanh'?"),
        ("relu ", "did you mean 'relu'?"),
        ("swish", "choose from relu, leaky_relu, tanh"),
        ("", "choose from relu, leaky_relu, tanh"),
    ],
)
def test_another_name_is_answered_with_the_nearest_one(value, end):
    sentence = refused(ValueError, lambda: checks.choice("activation", value, NAMES))
    assert sentence == f"activation {value!r} is not known; {end}"
    assert sentence.endswith(checks.suggestion(value, NAMES))


@pytest.mark.parametrize("value", [None, 3, True, b"relu", ["relu"], np.array("relu"), len])
def test_what_is_not_a_name_is_answered_with_an_example(value):
    for choices in (NAMES, iter(NAMES)):
        sentence = refused(TypeError, lambda names=choices: checks.choice("phi", value, names))
        assert sentence == f"phi must be a name such as 'relu', got {value!r}"


def test_a_suggestion_has_the_letters_of_the_name_itself():
    assert checks.suggestion("adamw", ["Adam", "AdamW", "SGD"]) == "did you mean 'AdamW'?"
    assert checks.suggestion("adam", ["Adam", "ADAM"]) == "did you mean 'Adam'?"
    assert checks.suggestion("rate", iter(["rates", "steps"])) == "did you mean 'rates'?"
    assert checks.suggestion("rate", iter(["depth", "steps"])) == "choose from depth, steps"


@given(st.sampled_from(NAMES), st.sampled_from("xyz"), st.integers(0, 10))
def test_one_letter_too_many_is_recognised(name, letter, place):
    word = name[:place] + letter + name[place:]
    assert checks.suggestion(word, NAMES) == f"did you mean {name!r}?"
