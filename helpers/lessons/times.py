"""Say how long a lesson and each of its sections takes, counted from what stands there.

The pace is that of learners who worked through the first lessons with a stopwatch: 130 words
of prose a minute, 9 lines of code a minute, a minute and a half for each figure and each
prediction, 2.8 minutes for each point of an exercise, and 3 seconds a claim. An open exercise
states its own minutes. A lesson of more than an hour and a half says before which section one may
stop half-way.

A formula counts one word for each symbol, a table the words in it. Not counted are the setup,
the parameters, the question of a prediction, checks and the last cell, which are run rather
than read; what stands in the cell of an exercise, for which there are its points; hints, which
are folded; and solutions.
"""

import ast
import re
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate

from nbformat import NotebookNode

from helpers.lessons import kinds

WORDS, LINES = 130, 9  # a minute
FIGURE, PREDICTION, POINT, CLAIM = 1.5, 1.5, 2.8, 0.05  # minutes each

_SECTION = re.compile(r"^## +(.+?) *$", re.MULTILINE)
_EXERCISE = re.compile(r"^### Exercise [\d.]+ - \w+ \((?:(\d+) points?|open)\)$", re.MULTILINE)
_STATED = re.compile(r"\s*\*About (\d+) minutes?\b")
_HINT = re.compile(r"<details><summary>(?:Hint|More help)</summary>.*?</details>", re.DOTALL)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.DOTALL)
_LAYOUT = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|q?quad|limits|displaystyle|(?:begin|end)\{\w+\})(?![a-z])"
)
_NAMED = re.compile(
    r"\\(?:text|mathrm|mathbb|mathbf|mathcal|operatorname|tilde|hat|bar)\{([^{}]*)\}"
)
_SYMBOL = re.compile(r"\\[a-zA-Z]+|[^\W\d_]|\d+(?:\.\d+)?")
_LINKED = re.compile(r"[A-Za-z0-9 ,.:;!?'-]+")  # headings that JupyterLab finds by their names
_NOT_READ = re.compile(r"(?<=\])\([^)\s]*\)|<[^<>]*>")  # where a link leads; a tag
_WORTH_SAYING = 2  # minutes; shorter sections go without
_AN_EVENING = 90  # minutes; a longer lesson says where one may stop half-way


@dataclass(frozen=True)
class Section:
    """A section of a lesson.

    Attributes:
        title: Its heading; empty for what stands before the first one.
        minutes: How long it takes.
    """

    title: str
    minutes: float


def sections(lesson: NotebookNode) -> list[Section]:
    """Return the sections of a lesson, with what stands before the first as one of its own.

    Args:
        lesson: As it is written, with solutions or without; before ``told``.

    Raises:
        ValueError: If an open exercise does not state its minutes.
    """
    found = [Section("", 0.0)]
    for cell in filter(_counts, lesson.cells):
        if cell.cell_type == "code":
            parts = [("", _code_minutes(cell))]
        else:
            before, *others = _SECTION.split(cell.source)
            titled = zip(others[::2], others[1::2], strict=True)
            parts = [("", _prose_minutes(before))]
            parts += [(title, _prose_minutes(f"{title}\n{text}")) for title, text in titled]
        for title, minutes in parts:
            if title:
                found.append(Section(title, minutes))
            else:
                found[-1] = Section(found[-1].title, found[-1].minutes + minutes)
    return found


def total(lesson: NotebookNode) -> int:
    """Return how many minutes a lesson takes, to the nearest five.

    Args:
        lesson: As in ``sections``.

    Raises:
        ValueError: As ``sections``.
    """
    return max(5, 5 * round(sum(section.minutes for section in sections(lesson)) / 5))


def exercise(points: int) -> int:
    """Return how many minutes an exercise of so many points takes."""
    return round(POINT * points)


def told(lesson: NotebookNode) -> NotebookNode:
    """Return a lesson that says how long it takes: as a whole, and below each heading.

    Args:
        lesson: As in ``sections``; left as it is. One without a title is told nothing.

    Raises:
        ValueError: As ``sections``.
    """
    notebook = deepcopy(lesson)
    if not notebook.cells or not notebook.cells[0].source.startswith("# "):
        return notebook
    found = sections(lesson)
    titled = iter(found[1:])

    def with_minutes(heading: re.Match[str]) -> str:
        minutes = round(next(titled).minutes)
        return heading[0] + (f"\n\n*About {minutes} minutes.*" if minutes >= _WORTH_SAYING else "")

    for cell in filter(_counts, notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = _SECTION.sub(with_minutes, cell.source)
    title = notebook.cells[0]
    paragraphs = title.source.split("\n\n")
    needs = (at for at, words in enumerate(paragraphs) if words.startswith("You need"))
    paragraphs.insert(next(needs, 0) + 1, _overview(found, total(lesson)))
    title.source = "\n\n".join(paragraphs)
    return notebook


def words(prose: str) -> int:
    """Return for how many words a piece of Markdown counts; hints do not."""
    plain = _FORMULA.sub(lambda formula: _symbols(formula[1] or formula[2]), _HINT.sub(" ", prose))
    return sum(any(map(str.isalnum, word)) for word in _NOT_READ.sub(" ", plain).split())


def _counts(cell: NotebookNode) -> bool:
    return "solution" not in cell.metadata.get("tags", [])


def _symbols(tex: str) -> str:
    """Return one word for each symbol of a formula."""
    tex = _NAMED.sub(" x ", _LAYOUT.sub(" ", tex))
    return " " + "x " * len(_SYMBOL.findall(tex))


def _prose_minutes(prose: str) -> float:
    """Return how long a piece of Markdown takes, with the exercises that it sets."""
    minutes = words(prose) / WORDS
    for heading in _EXERCISE.finditer(prose):
        stated = _STATED.match(prose, heading.end())
        if heading[1]:
            minutes += exercise(int(heading[1]))
        elif stated:
            minutes += int(stated[1])
        else:
            raise ValueError(
                f"{heading[0].lstrip('# ')} states no minutes; "
                "write a line such as '*About 10 minutes, easy.*' below the heading"
            )
    return minutes


def _code_minutes(cell: NotebookNode) -> float:
    """Return how long a cell of code takes: to read, and to look at what it draws."""
    kind = kinds.kind(cell)
    if kind == "guess":
        return PREDICTION
    if kind != "work":
        return 0.0
    lines = sum(bool(line.strip()) for line in cell.source.split("\n"))
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
    ]
    drawn = calls.count("plots.show") + calls.count("plots.sliders")
    return lines / LINES + FIGURE * drawn + CLAIM * calls.count("claims.claim")


def _overview(found: list[Section], minutes: int) -> str:
    """Return the line that says how long the lesson takes and what its sections do."""
    parts = [
        f"{_linked(section.title)} {round(section.minutes)}"
        for section in found[1:]
        if round(section.minutes) >= _WORTH_SAYING
    ]
    line = f"About {minutes} minutes" + (f": {' · '.join(parts)}." if parts else ".")
    if minutes > _AN_EVENING and len(found) > 2:
        title, before = _half_way(found)
        line += f" For two evenings: stop before {_linked(title)}, after some {before} minutes."
    return line


def _half_way(found: list[Section]) -> tuple[str, int]:
    """Return the heading nearest to the middle, and the minutes before it, to five."""
    *starts, whole = accumulate((section.minutes for section in found), initial=0.0)
    later = zip(found[2:], starts[2:], strict=True)
    section, before = min(later, key=lambda start: abs(start[1] - whole / 2))
    return section.title, 5 * round(before / 5)


def _linked(title: str) -> str:
    """Return a heading as a link to it, unless a link could not be written."""
    return f"[{title}](#{title.replace(' ', '-')})" if _LINKED.fullmatch(title) else title
