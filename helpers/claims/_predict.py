"""Ask for a number before it is measured, and compare afterwards."""

import math
import re
from dataclasses import dataclass

from helpers import checks, progress, text
from helpers.claims._criteria import plain_number

_HOW = "a number such as 0.01 or 1e-6"
# In Python ^ is not a power: 10^-6 is the whole number -16.
_CARET = re.compile(r"\b(\d+)\s*\^\s*(-?\d+)")


@dataclass(frozen=True)
class Prediction:
    """A question and the learner's guess.

    Attributes:
        question: What was asked.
        guess: The number that was guessed; None if there is none.
    """

    question: str
    guess: float | None

    def compare(self, measured: object, *, digits: int = 3) -> None:
        """Print the measurement, and how far the guess was from it, in decades.

        Args:
            measured: The number found.
            digits: Significant digits of it to print, as in ``claim``.

        Raises:
            TypeError: If ``measured`` is not one number.
            ValueError: If ``digits`` is not between 1 and 15.

        Example:
            >>> prediction = predict("How much is left after 10 layers?", 0.1)
            You say 0.1. Run the next cell.
            >>> prediction.compare(0.5**10)
            How much is left after 10 layers? You said 0.1, measured 0.000977: 2.0 decades
            too high.
        """
        found = float(plain_number("measured", measured))
        digits = checks.whole("digits", digits, least=1, most=15)
        if self.guess is None:
            verdict = f"Measured: {text.number(found, digits)}."
        else:
            verdict = _distance(self.guess, found, digits)
        print(f"{self.question} {verdict}")  # noqa: T201


def predict(question: str, guess: object) -> Prediction:
    """Ask for a prediction; the measurement comes in the next cell.

    Never raises for a guess, whatever it is: one that is not a number earns one
    sentence that says what to write.

    Args:
        question: What is asked.
        guess: The learner's number, or None before there is one.

    Returns:
        The prediction, to be compared with the measurement.

    Example:
        >>> prediction = predict("How much is left after 10 layers?", None)
        How much is left after 10 layers? Write a number such as 0.01 or 1e-6 in place of None,
        and run this cell again.
    """
    number = _number(guess)
    if guess is None:
        said = f"{question} Write {_HOW} in place of None, and run this cell again."
    elif number is None:
        said = f"A prediction is {_HOW}, without quotes: please change yours, and run again."
    elif typed := _with_caret(number):
        base, exponent = typed
        power = f"1e{exponent}" if base == "10" else f"{base}**{exponent}"
        said = (
            f"You say {text.number(number)}: in Python {base}^{exponent} is that and no power. "
            f"Write {power}, and run this cell again."
        )
    else:
        said = f"You say {text.number(number, 3)}. Run the next cell."
    print(said)  # noqa: T201
    progress.predicted(question, number is not None)
    return Prediction(question, number)


def _number(guess: object) -> float | None:
    """Return a learner's guess as a finite number, None when it is not one."""
    # A guess can be any object at all, with properties that raise as well.
    try:
        value = plain_number("guess", guess)
    except Exception:
        return None
    if isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def _with_caret(guess: float) -> tuple[str, str] | None:
    """Return base and exponent, if the cell that runs has the guess written like 10^-6."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    for base, exponent in _CARET.findall(str(cells[-1])) if cells else []:
        if int(base[:20]) ^ int(exponent[:20]) == guess:
            return base, exponent
    return None


def _distance(guess: float, found: float, digits: int) -> str:
    """Say how far apart two numbers are."""
    both = f"You said {text.number(guess, 3)}, measured {text.number(found, digits)}"
    if guess == found:
        return f"{both}: exactly right, well predicted."
    if guess == 0 or found == 0 or not math.isfinite(found):
        return f"{both}: no number of decades lies between them."
    if (guess > 0) != (found > 0):
        return f"{both}: the other sign."
    decades = math.log10(abs(guess)) - math.log10(abs(found))
    if abs(decades) <= math.log10(2):
        return f"{both}: within a factor 2, well predicted."
    size = "too high" if guess > found else "too low"
    return f"{both}: {abs(decades):.1f} decades {size}."
