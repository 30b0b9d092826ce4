"""A real text: the pages that Python's own help shows.

Shapes: B windows, T steps.
"""

from collections import Counter
from functools import lru_cache

import torch

from helpers import checks
from helpers.data._split import Split

_TEST_SHARE = 5  # one character in five is kept for testing
_RARE = 20  # a character that the training part has less often has no symbol of its own
_MOST = 1000  # characters of a window


@lru_cache(maxsize=1)
def help_text() -> str:
    """Return the text of Python's help on the language, such as ``help("while")`` shows.

    Paragraphs that stand on several pages stand here once, so that no part of the text
    is a copy of another. The text is another one in another version of Python: say of
    it only what is relative.

    Source: ``pydoc_data.topics``, the Python Software Foundation, which comes with
    Python.

    Example:
        >>> "statement" in help_text()
        True
    """
    from pydoc_data.topics import topics  # type: ignore[import-untyped]  # a large module

    pages = (page.split("\n\n") for _, page in sorted(topics.items()))
    paragraphs = (paragraph.strip("\n") for page in pages for paragraph in page)
    return "\n\n".join(dict.fromkeys(filter(None, paragraphs)))


@lru_cache(maxsize=4)
def characters(window: int = 64) -> Split:
    """The text of Python's help, letter by letter: which character comes next?

    The text is cut into windows, one after the other. An input is the characters of a
    window as numbers, its targets are the characters one place further on. The last
    fifth of the windows is kept for testing. Characters that are rare in the part to
    learn from share the last number.

    Args:
        window: Number of characters T in a row, from 1 to 1,000.

    Returns:
        The split, with inputs and targets of shape (B, T), whole numbers; the tensors
        are shared between calls, so do not write to them. What the text holds depends
        on the version of Python.

    Raises:
        TypeError: If the window is not a whole number.
        ValueError: If it is out of range.

    Example:
        >>> split = characters(32)
        >>> split.train_inputs.shape == split.train_targets.shape
        True
        >>> torch.equal(split.test_inputs[0, 1:], split.test_targets[0, :-1])
        True
    """
    window = checks.whole("window", window, least=1, most=_MOST)
    text = help_text()
    count = (len(text) - 1) // window
    learnt = count - count // _TEST_SHARE
    often = Counter(text[: learnt * window + 1])
    symbols = sorted(one for one, times in often.items() if times >= _RARE)
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    codes = torch.tensor([numbers.get(one, len(symbols)) for one in text[: count * window + 1]])
    inputs, targets = codes[:-1].view(count, window), codes[1:].view(count, window)
    return Split(
        "Python's help", inputs[:learnt], targets[:learnt], inputs[learnt:], targets[learnt:]
    )
