"""Numbers, counts and names as they are written, against decimal arithmetic and by hand."""

import decimal
import math
import re
import string
import sys
import unicodedata
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers import text

FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = re.compile(r"-?(0|[1-9]\d*|0\.\d*[1-9]|[1-9]\d*\.\d*[1-9])")
SCIENTIFIC = re.compile(r"-?[1-9](\.\d*[1-9])?e-?[1-9]\d*")


# -- Numbers in prose --------------------------------------------------------------------


@given(value=FINITE, digits=st.integers(1, sys.float_info.dig))
@example(value=1.7976931348623157e308, digits=3)  # rounds to what no float can hold
@example(value=5e-324, digits=3)
@example(value=999_999.5, digits=6)
@example(value=0.00009999, digits=2)
@example(value=2.5, digits=1)
def test_a_number_reads_back_to_the_digits_given(value, digits):
    # Decimal arithmetic rounds the exact value of the float.
    rounded = decimal.Context(prec=digits, Emin=-9999).create_decimal(Decimal(value))
    written = text.number(value, digits)
    if value == 0 or abs(value) >= sys.float_info.min:
        assert Decimal(written) == rounded
    else:  # fewer digits may say the same: 5e-324 is the float that 4.94e-324 is
        assert float(written) == float(rounded)
    assert len(written.lstrip("-0.").split("e")[0].replace(".", "").rstrip("0")) <= digits


@given(FINITE)
@example(1.7976931348623157e308)
@example(5e-324)
def test_a_number_reads_back_exactly_without_a_limit_and_no_text_is_shorter(value):
    written = text.number(value)
    assert float(written) == value
    digits = len(written.lstrip("-0.").split("e")[0].replace(".", "").rstrip("0"))
    if digits > 1:
        shorter = decimal.Context(prec=digits - 1, Emin=-9999).create_decimal(Decimal(value))
        assert float(shorter) != value


@given(value=FINITE, digits=st.none() | st.integers(1, 6))
@example(value=-1e-320, digits=2)
def test_a_number_is_plain_in_the_middle_and_has_an_exponent_outside(value, digits):
    written = text.number(value, digits)
    size = abs(Decimal(written))
    is_power = re.fullmatch(r"-?0?\.?0*10*", f"{size:f}") is not None
    small_power_of_ten = is_power and size <= Decimal("0.001")
    if size == 0 or (Decimal("1e-4") <= size < 10**6 and not small_power_of_ten):
        assert PLAIN.fullmatch(written)
    else:
        assert SCIENTIFIC.fullmatch(written)
    assert written != "-0"


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_is_written_without_the_noise_of_float64(value):
    written = text.number(np.float32(value))
    assert np.float32(written) == np.float32(value)
    assert len(written.lstrip("-0.").split("e")[0].replace(".", "").rstrip("0")) <= 9
    assert text.number(np.float32(value), 3) == text.number(value, 3)


@given(FINITE)
def test_a_number_reads_back_as_a_float(value):
    assert float(text.number(value)) == value
    assert float(text.number(value, 3)) == float(f"{value:.2e}")
    assert text.number(value, 3) not in {"-0", "-0.0", "0.0"}


def test_a_float32_by_hand_has_no_noise():
    assert text.number(np.float32(0.1)) == "0.1"
    assert text.number(np.float32(1e-30)) == "1e-30"
    assert [text.number(v) for v in (math.nan, -math.inf, np.int64(7))] == ["NaN", "-inf", "7"]


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (0, None, "0"),
        (-0.0, 3, "0"),
        (12, None, "12"),
        (-12, 1, "-10"),
        (True, None, "1"),
        (123_456, None, "123456"),
        (999_999, None, "999999"),
        (1_000_000, None, "1e6"),
        (-1_200_000, None, "-1.2e6"),
        (999_999, 3, "1e6"),
        (1234.5, 3, "1230"),
        (99.96, 3, "100"),
        (0.0001, None, "1e-4"),
        (0.00012, None, "0.00012"),
        (0.000099, None, "9.9e-5"),
        (0.001, None, "1e-3"),
        (0.01, None, "0.01"),
        (0.5**10, 3, "0.000977"),
        (2.123e-19, 3, "2.12e-19"),
        (1e100, 3, "1e100"),
        (math.nan, 3, "NaN"),
        (np.float32(math.nan), None, "NaN"),
        (math.inf, 3, "inf"),
        (-math.inf, None, "-inf"),
        (np.float64(0.25), None, "0.25"),
        (np.float16(0.1), None, "0.1"),
        (np.int8(-7), 3, "-7"),
        (np.uint64(2**63), 3, "9.22e18"),
        (2**70, None, "1.1805916207174113e21"),
        (Fraction(1, 8), None, "0.125"),
        (Fraction(1, 3), 3, "0.333"),
        (Fraction(-1, 3), None, "-0.3333333333333333"),
    ],
)
def test_numbers_written_by_hand(value, digits, written):
    assert text.number(value, digits) == written


# -- Numbers in figures ------------------------------------------------------------------


@given(value=FINITE, digits=st.integers(0, 4), kind=st.sampled_from("fe"))
def test_a_number_in_a_figure_is_pythons_with_another_minus(value, digits, kind):
    form = f".{digits}{kind}"
    written = text.in_figure(value, form)
    assert "-" not in written
    plain = written.replace("\N{MINUS SIGN}", "-")
    assert plain.removeprefix("-") == f"{abs(value):{form}}"
    # A sign where what is left of the number is below 0.
    assert plain.startswith("-") == (float(f"{value:{form}}") < 0)


@pytest.mark.parametrize(
    ("value", "form", "written"),
    [
        (math.inf, ".2f", "∞"),
        (-math.inf, ".2f", "\N{MINUS SIGN}∞"),
        (math.nan, ".2f", "nan"),
        (-0.0, ".0f", "0"),
        (3, ".1f", "3.0"),
        (np.float32(-0.04), ".1f", "0.0"),
        (1e-5, ".0e", "1e\N{MINUS SIGN}05"),
        (1234.5, ",.0f", "1,234"),
    ],
)
def test_numbers_in_a_figure_by_hand(value, form, written):
    assert text.in_figure(value, form) == written


# -- Words -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("many", "words"), [(0, "0 layers"), (1, "1 layer"), (2, "2 layers"), (1200, "1200 layers")]
)
def test_only_one_thing_is_singular(many, words):
    assert text.count(many, "layer") == words


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (("a", "b", "c"), "a, b and c"),
        (["a", "b", "c", "d"], "a, b, c and d"),
    ],
)
def test_a_list_has_commas_and_one_and(words, sentence):
    assert text.listed(words) == sentence


@given(st.text(), st.integers(0, 20), st.text(max_size=3))
def test_a_text_is_cut_only_where_it_is_too_long(whole, longest, end):
    short = text.shortened(whole, longest, end)
    if len(whole) <= longest:
        assert short == whole
    else:
        assert short == whole[:longest] + end
    assert text.shortened(whole, longest) in (whole, whole[:longest] + "…")


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x00", "⟨U+0000⟩"),
        ("\t", "⟨U+0009⟩"),
        ("\n", "⟨U+000A⟩"),
        ("\r", "⟨U+000D⟩"),
        ("\x1b", "⟨U+001B⟩"),
        ("\x7f", "⟨U+007F⟩"),
        ("\x9b", "⟨U+009B⟩"),  # control sequences in one character
        ("\u00ad", "⟨U+00AD⟩"),  # soft hyphen
        ("\u200b", "⟨U+200B⟩"),  # no width
        ("\u200e", "⟨U+200E⟩"),
        ("\u2028", "⟨U+2028⟩"),
        ("\u2029", "⟨U+2029⟩"),
        ("\u202e", "⟨U+202E⟩"),  # right to left
        ("\u2066", "⟨U+2066⟩"),
        ("\ufeff", "⟨U+FEFF⟩"),
        ("\udcff", "⟨U+DCFF⟩"),  # a byte that is not text
        ("\U000e0041", "⟨U+E0041⟩"),  # an invisible letter
    ],
)
def test_what_is_not_seen_is_shown_as_its_number(hidden, shown):
    assert text.visible(f"a{hidden}b") == f"a{shown}b"


@pytest.mark.parametrize(
    "seen",
    [
        "Zoë Müller-Ågren",
        "李小龍 Олена",
        "e\N{COMBINING ACUTE ACCENT}",
        "नमस्\u200dते",  # the joiners belong to the word
        "می\u200cکنم",
        "👩\u200d🔬",
        string.printable.rstrip("\t\n\r\x0b\x0c"),
        "⟨U+001B⟩",
        "",
    ],
)
def test_what_is_seen_stays_as_it_is(seen):
    assert text.visible(seen) == seen


@given(st.text(st.characters()))
def test_nothing_hidden_is_left_and_nothing_is_hidden_twice(anything):
    shown = text.visible(anything)
    hidden = {unicodedata.category(letter) for letter in shown if letter not in "\u200c\u200d"}
    assert not hidden & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert text.visible(shown) == shown
