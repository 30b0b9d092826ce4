r"""Write numbers, counts and names one way, wherever the course shows them.

``number`` is for prose and tables: the same letters on every machine, so that a stored
line can be compared word for word. ``in_figure`` is for pictures, where a minus is a
minus and not a hyphen.
"""

import decimal
import html
import math
import unicodedata
from collections.abc import Mapping, Sequence
from numbers import Rational

_EXACT = decimal.Context(prec=40)  # more digits than any float has

# They join letters that belong together, in many scripts and in emoji.
_JOINERS = "\u200c\u200d"


def number(value: float, significant: int | None = None) -> str:
    """Write a number the same way on every machine.

    Args:
        value: A number of Python or numpy.
        significant: Digits to round to; as many as the number needs when omitted.

    Returns:
        Plain decimals from 1e-4 up to a million, but 1e-3 and 1e-4 and everything
        else with an exponent. There is no negative zero.

    Example:
        >>> [number(v, 3) for v in (0.058823, 1234.5, 1.2345e-7, -0.0)]
        ['0.0588', '1230', '1.23e-7', '0']
        >>> [number(v) for v in (0.0009765625, 0.001, 0.03, 1e6, 12)]
        ['0.0009765625', '1e-3', '0.03', '1e6', '12']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    if significant is not None or isinstance(value, Rational):
        value = float(value)
    written = _decimal(str(value))
    if significant is not None and len(written.as_tuple().digits) > significant:
        written = _decimal(f"{value:.{significant - 1}e}")
    exponent = written.adjusted()
    small_power_of_ten = exponent <= -3 and written.as_tuple().digits == (1,)
    if -4 <= exponent < 6 and not small_power_of_ten:
        return f"{written:f}"
    return f"{written:e}".replace("e+", "e")


def in_figure(value: float, form: str) -> str:
    """Write a number for a picture: with a real minus, and ∞.

    Args:
        value: The number.
        form: How, as in ``".2f"``.

    Example:
        >>> [in_figure(value, ".1f") for value in (-0.04, 2.5, float("inf"))]
        ['0.0', '2.5', '∞']
        >>> in_figure(-2.5, ".1f") == "\N{MINUS SIGN}2.5"
        True
    """
    text = f"{value:z{form}}"  # z: a rounded 0 has no sign
    return text.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")


def count(many: int, thing: str) -> str:
    """Write how many there are of a thing whose plural ends in s.

    Example:
        >>> count(1, "run"), count(1200, "run")
        ('1 run', '1200 runs')
    """
    return f"{many} {thing}" if many == 1 else f"{many} {thing}s"


def listed(words: Sequence[str]) -> str:
    """Write words as a list in a sentence.

    Example:
        >>> listed(["depth", "width", "seed"])
        'depth, width and seed'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def html_table(rows: Mapping[str, object]) -> str:
    """Write names and what belongs to them as a table for a notebook or a page.

    Args:
        rows: What stands beside each name, in the order of the rows.

    Returns:
        HTML, in which what might be taken for HTML is escaped.

    Example:
        >>> html_table({"depth": 20, "why": "<none>"})
        '<table><tr><th>depth</th><td>20</td></tr><tr><th>why</th><td>&lt;none&gt;</td></tr></table>'
    """
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table>{cells}</table>"


def shortened(text: str, longest: int, end: str = "…") -> str:
    """Return a text, or the beginning of a long one with a mark where it was cut.

    Args:
        text: Any text.
        longest: Characters that are shown.
        end: What stands where the rest was.

    Example:
        >>> shortened("a long story", 6)
        'a long…'
    """
    return text if len(text) <= longest else f"{text[:longest]}{end}"


def visible(text: str) -> str:
    r"""Write characters that are not seen, but do something, as their numbers.

    These are control characters, those that turn the direction of writing, and bytes of a
    file's name that are not text.

    Args:
        text: Anything that a student may have chosen.

    Example:
        >>> visible("an \x1b[31m escape")
        'an ⟨U+001B⟩[31m escape'
    """
    return "".join(
        f"⟨U+{ord(letter):04X}⟩"
        if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in _JOINERS
        else letter
        for letter in text
    )


def _decimal(written: str) -> decimal.Decimal:
    """Read digits as they are: the largest floats, rounded up, would not fit a float."""
    return _EXACT.create_decimal(written).normalize(_EXACT)
