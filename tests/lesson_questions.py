"""The questions of a lesson that are answered by a click, and the form they have.

    python -m tests.lesson_questions 03     # what lesson 03 would have to change

Each stands in a cell of text of its own:

    **Question.** Which of these changes the factor per layer?

    <details><summary>The batch size</summary>Not this: it averages, and ...</details>
    <details><summary>The gain</summary>Right. ...</details>
    <details><summary>The number of classes</summary>Not this: ...</details>
"""

import re
import sys
from html.parser import HTMLParser
from itertools import pairwise

import nbformat

from helpers import lessons
from tests.notebook_parts import between

EACH_LESSON = 3
OPTIONS = (3, 4)
START = "**Question.** "
OPTION = re.compile(r"<details><summary>(.+?)</summary>(.+?)</details>", re.DOTALL)
MARKDOWN = re.compile(r"`|\*\*|\]\(")
ALONE = ("br", "img", "hr", "wbr")  # tags that nothing closes


class Tags(HTMLParser):
    """Find the tags that are opened and not closed, or closed and not opened."""

    def __init__(self):
        super().__init__()
        self.open, self.stray = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open[-1:] == [tag]:
            self.open.pop()
        else:
            self.stray.append(tag)


def unmatched(html):
    """The tags of a piece of HTML that have no partner."""
    tags = Tags()
    tags.feed(html)
    tags.close()
    return tags.open + tags.stray


def asks(cell):
    """Whether a cell asks a question, in whatever form."""
    return cell.cell_type == "markdown" and "**Question" in cell.source


def number_of_questions(notebook):
    count = sum(map(asks, notebook.cells))
    return between(EACH_LESSON, count, EACH_LESSON, "questions")


def spread(notebook):
    """Between two questions there is something to learn."""
    return [
        f"no cell between two questions: {second.source[:60]!r}"
        for first, second in pairwise(notebook.cells)
        if asks(first) and asks(second)
    ]


def well_formed(notebook):
    return [
        f"{said}: {cell.source[:60]!r}"
        for cell in filter(asks, notebook.cells)
        for said in faults(cell.source)
    ]


RULES = [number_of_questions, spread, well_formed]


def faults(source):
    """What is wrong with the cell of a question, in a few words each."""
    if not source.startswith(START):
        return [f"the cell does not begin with {START!r}"]
    question, *blocks = source.removeprefix(START).split("\n\n")
    options = [found for block in blocks for found in OPTION.findall(block)]
    found = [] if question.strip().endswith("?") else ["what is asked does not end with '?'"]
    if "<details" in question:
        found.append("an empty line has to stand before the options")
    if rest := OPTION.sub("", "".join(blocks)).strip():
        found.append(f"beside its options the cell has {rest[:40]!r}")
    if unmatched(source):
        found.append(f"tags without a partner: {', '.join(unmatched(source))}")
    return found + option_faults(options)


def option_faults(options):
    """What is wrong with options, each its name and what is said of it."""
    found = between(OPTIONS[0], len(options), OPTIONS[1], "options")
    answers = [answer.strip() for _, answer in options]
    right = sum(answer.startswith("Right.") for answer in answers)
    if right != 1:
        found.append(f"{right} options begin with 'Right.', expected 1")
    if len({name.strip() for name, _ in options}) < len(options):
        found.append("an option stands there twice")
    if any(len(answer.removeprefix("Right.").split()) < 3 for answer in answers):
        found.append("an option does not say why")
    if any(MARKDOWN.search(name + answer) for name, answer in options):
        found.append("Markdown is not drawn in an option; write <code>, <b> or <a href>")
    return found


def complaints(notebook):
    """What all rules say of a lesson."""
    return [said for rule in RULES for said in rule(notebook)]


def main(names):
    """Print what the lessons that were named would have to change."""
    found = {path: complaints(nbformat.read(path, as_version=4)) for path in lessons.paths(names)}
    print(*(f"{path.stem}: {one}" for path, said in found.items() for one in said), sep="\n")
    return any(found.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
