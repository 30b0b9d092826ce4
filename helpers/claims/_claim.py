"""Hold a measurement to what is said of it; the claims of one cell are a table."""

from dataclasses import dataclass
from html import escape
from typing import Literal

from helpers import checks, text
from helpers.claims import _published
from helpers.claims._criteria import criterion, measured_text, plain_number

_Outcome = Literal["holds", "differs", "fails"]
_IN_SIGHT = 4  # rows; a longer table opens on demand
_MARKS: dict[_Outcome, str] = {"holds": "✓", "differs": "○", "fails": "✗"}
_COLOURS: dict[_Outcome, str] = {"holds": "#007a5e", "differs": "#8a6d00", "fails": "#b3261e"}


class ClaimError(AssertionError):
    """A claim that the measurement does not support."""

    def _render_traceback_(self) -> list[str]:
        """Show one sentence in a notebook: the way through the library helps nobody."""
        return [str(self)]


@dataclass(frozen=True)
class _Row:
    """A claim with its outcome.

    Attributes:
        statement: What the measurement shows.
        expected: The value or the bound; empty if the claim is true or not.
        tolerance: How far from the value it may be, in words.
        measured: The measurement.
        words: The criterion as the end of a sentence.
        outcome: Whether it holds; "differs" if it does not and a parameter was changed.
    """

    statement: str
    expected: str
    tolerance: str
    measured: str
    words: str
    outcome: _Outcome

    def __str__(self) -> str:
        """Return one line."""
        start = f"{_MARKS[self.outcome]} {self.statement}: "
        if self.outcome == "holds":
            return start + self.measured + (f" (claimed {self.words})" if self.words else "")
        if self.outcome == "fails":
            return start + f"measured {self.measured}, claimed {self.words or 'true'}"
        now, then = _published.changed()
        found = f": measured {self.measured}" if self.words else ""
        return start + f"not at {now}{found} (published at {then}: {self.words or 'holds'})"


_rows: list[_Row] = []  # of the cell that runs


def claim(
    statement: str,
    measured: object,
    *,
    equals: float | None = None,
    about: float | None = None,
    within: float | None = None,
    factor: float | None = None,
    above: float | None = None,
    below: float | None = None,
    between: tuple[float, float] | None = None,
    digits: int = 3,
    drifts: bool = False,
) -> None:
    """Show that a measurement holds, or raise when it does not.

    In a notebook the claims of one cell stand in one table at the cell's end, which
    folds when there are more than four; elsewhere each is a line. Give exactly one
    criterion. A measurement that is True or False is its own criterion and takes
    none. NaN meets no criterion. Where somebody has changed a parameter of the
    lesson (see ``published``), a claim that does not hold says so, and nothing is
    raised.

    Args:
        statement: What the measurement shows, in words.
        measured: One number, a tensor or array with one number and no
            dimensions, or True or False.
        equals: The exact value.
        about: The value to be near to; needs ``within`` or ``factor``.
        within: Largest relative distance from ``about``; 0.03 is 3 %.
        factor: Largest ratio to ``about``, either way; 2.0 is half to double.
        above: A bound that the measurement must exceed.
        below: A bound that the measurement must stay under.
        between: Lower and upper bound, both allowed.
        digits: Significant digits of the measurement to print. Fewer than 3 for
            what the rounding of another processor moves.
        drifts: For training results, which differ between machines: the number is
            written with a ≈, and the tests of the lessons do not compare it.

    Raises:
        ClaimError: If the measurement does not meet the criterion.
        TypeError: If ``measured`` or a bound is not one number, or
            ``statement`` is not text.
        ValueError: If there is not exactly one criterion, or it makes no sense.

    Example:
        >>> claim("ten sigmoids at 0 leave", 0.25**10, below=1e-5)
        ✓ ten sigmoids at 0 leave: 9.54e-7 (claimed below 1e-5)
        >>> claim("the first layer moved", 0.1 + 0.2 != 0.3)
        ✓ the first layer moved: holds
    """
    if not isinstance(statement, str) or not statement.strip():
        raise TypeError("statement must be a few words, such as 'gradient lost per layer'")
    statement = " ".join(statement.split())
    digits = checks.whole("digits", digits, least=1, most=15)
    value = plain_number("measured", measured)
    bounds = {
        "equals": equals,
        "about": about,
        "above": above,
        "below": below,
        "between": between,
    }
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if isinstance(value, bool):
        if given:
            raise ValueError(
                f"a measurement of True or False needs no criterion, got {' and '.join(given)}"
            )
        held, expected, tolerance, words = value, "", "", ""
        shown = "holds" if value else "does not hold"
    else:
        rule = criterion(given, within, factor)
        held, expected, tolerance, words = rule.holds(value), *rule[:2], rule.words
        shown = ("≈" if drifts else "") + measured_text(value, digits)
    outcome: _Outcome = "holds" if held else "fails" if _published.must_raise() else "differs"
    row = _Row(statement, expected, tolerance, shown, words, outcome)
    _show(row)
    if outcome == "fails":
        found = "" if isinstance(value, bool) else f": measured {value!r}, claimed {words}"
        end = f".{can}" if (can := _published.what_it_can_mean()) else ""
        raise ClaimError(f"Claim failed: {statement}{found}{end}")


def _show(row: _Row) -> None:
    """Keep a row for the table at the end of the cell; print it where there are no cells."""
    from IPython.core.getipython import get_ipython  # here, as a page of a sweep needs no notebook

    shell = get_ipython()
    if shell is None:
        print(row)  # noqa: T201
        return

    def end_of_cell(_result: object) -> None:
        shell.events.unregister("post_run_cell", end_of_cell)
        _show_table()

    if not _rows:
        shell.events.register("post_run_cell", end_of_cell)
    _rows.append(row)


def _show_table() -> None:
    """Put the table of the cell that has run into the notebook."""
    from IPython.display import display

    rows = list(_rows)
    _rows.clear()
    if len(rows) == 1:
        print(*rows)  # noqa: T201
    else:
        display({"text/plain": _as_text(rows), "text/html": _as_html(rows)}, raw=True)


def _head(rows: list[_Row]) -> str:
    """Say how many claims hold."""
    held = sum(row.outcome == "holds" for row in rows)
    if held == len(rows):
        return f"{text.count(held, 'claim')} hold"
    return f"{held} of {text.count(len(rows), 'claim')} hold"


def _as_text(rows: list[_Row]) -> str:
    """Write the table in columns; what was measured comes last, as its width may drift."""
    cells = [("quantity", "expected", "tolerance", "measured")]
    cells += [(row.statement, row.expected, row.tolerance, row.measured) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_head(rows)]
    for mark, line in zip((" ", *(_MARKS[row.outcome] for row in rows)), cells, strict=True):
        padded = [f"{cell:{width}}" for cell, width in zip(line[:3], widths, strict=False)]
        lines.append("  ".join([f"{mark} {padded[0]}", *padded[1:], line[3]]))
    lines += [str(row) for row in rows if row.outcome == "differs"]
    return "\n".join(lines)


def _as_html(rows: list[_Row]) -> str:
    """Write the table for a notebook, folded if it is long."""
    lines = []
    for row in rows:
        mark = f'<td style="color:{_COLOURS[row.outcome]}">{_MARKS[row.outcome]}</td>'
        cells = (row.statement, row.expected, row.measured, row.tolerance)
        aligned = zip(("left", "left", "right", "left"), cells, strict=True)
        written = "".join(
            f'<td style="text-align:{side}">{escape(cell)}</td>' for side, cell in aligned
        )
        lines.append(f"<tr>{written}{mark}</tr>")
        if row.outcome == "differs":
            words = escape(str(row).partition(": ")[2])
            lines.append(f'<tr><td colspan="5" style="text-align:left">{words}</td></tr>')
    names = ("quantity", "expected", "measured", "tolerance", "")
    header = "".join(f'<th style="text-align:left">{name}</th>' for name in names)
    all_hold = all(row.outcome == "holds" for row in rows)
    unfolded = len(rows) <= _IN_SIGHT or not all_hold
    mark = f"{_MARKS['holds']} " if all_hold else ""
    return (
        f"<details{' open' if unfolded else ''}><summary>{mark}{_head(rows)}</summary>"
        f"<table><thead><tr>{header}</tr></thead><tbody>{''.join(lines)}</tbody></table></details>"
    )
