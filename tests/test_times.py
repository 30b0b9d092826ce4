import re
from pathlib import Path

import nbformat
import pytest

from helpers import lessons
from helpers.lessons import rules, sources, times

CONTRIBUTING = (sources.ROOT / "CONTRIBUTING.md").read_text()


def prose(source, **metadata):
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def code(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


def lesson(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def minutes(*cells):
    (only,) = times.sections(lesson(*cells))
    return only.minutes


# ---- Words ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("One, two - three.", 3),
        ("## The *first* heading", 3),
        ("* a list\n* of two", 4),
        ("[a link](../docs/glossary.md#decade) here", 3),
        ("<details><summary>The gain</summary>Not this.</details>", 4),
        ("<details><summary>Hint</summary>One of\nmany.</details> Here", 1),
        ("<details><summary>More help</summary>$x$</details>", 0),
        ("| a | b c |\n|---|:--|\n| 1 | $x$ |", 5),
        (r"$\chi$", 1),
        (r"the $\sigma_w^2$ of", 5),
        (r"$a<b$ and $c>d$", 5),
        (r"$$\log_{10}\frac{\|\delta_L\|}{\|\delta_1\|}$$", 7),
        (r"$$\left(\text{fan\_in}\quad\mathrm{Var}\,W\right)$$", 3),
        ("`x = 3` is code", 4),
        ("", 0),
    ],
)
def test_words_are_what_is_read(source, count):
    assert times.words(source) == count


# ---- Minutes -------------------------------------------------------------------------


def test_the_pace_is_that_of_the_docstring_and_of_contributing():
    for page in (times.__doc__, CONTRIBUTING):
        told = " ".join(page.split())
        assert f"{times.WORDS} words of prose a minute" in told
        assert f"{times.LINES} lines of code a minute" in told
        assert f"{times.POINT} minutes for each point" in told
        assert f"{times.CLAIM * 60:g} seconds a claim" in told
        assert "a minute and a half for each figure and each prediction" in told
    assert times.FIGURE == times.PREDICTION == 1.5


def test_prose_code_figures_and_claims_take_their_time():
    assert minutes(prose("word " * 130)) == pytest.approx(1)
    assert minutes(code("x = 1\n\n" * 9)) == pytest.approx(1)
    figure = "plots.show(ax)"
    assert minutes(code(figure)) == pytest.approx(1.5 + 1 / 9)
    assert minutes(code("plots.sliders(draw, depth=3)")) == pytest.approx(1.5 + 1 / 9)
    assert minutes(code("plots.curves(found)")) == pytest.approx(1 / 9)
    claim = "claims.claim('x', x, below=1)"
    assert minutes(code(f"{claim}\n{claim}")) == pytest.approx(0.1 + 2 / 9)


def test_what_is_run_and_not_read_takes_none():
    guess = 'guess = None\nprediction = claims.predict("How much?", guess)'
    assert minutes(code(guess)) == 1.5
    assert minutes(code(guess + "\nx = 1")) == pytest.approx(3 / 9)
    cells = [code("x = 1\n" * 90, tag) for tag in ("setup", "parameters", "check", "exercise")]
    cells += [code("x = 1\n" * 90, "solution"), prose("word " * 900, tags=["solution"])]
    cells += [code("print(progress.summary())")]
    assert minutes(*cells) == 0


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("### Exercise 1.1 - area (5 points)\n\n", 14),
        ("### Exercise 1.1 - area (1 point)\n\n", 3),
        ("### Exercise 1.1 - area (open)\n\n*About 9 minutes, easy.*\n\n", 9),
        ("### Exercise 1.1 - area (5 points)\n\n*About 99 minutes, hard.*\n\n", 14),
    ],
)
def test_an_exercise_takes_what_its_points_say(heading, expected):
    text = f"Before.\n\n{heading}Write it."
    assert minutes(prose(text)) == pytest.approx(expected + times.words(text) / 130)


def test_points_become_whole_minutes():
    assert [times.exercise(points) for points in range(1, 7)] == [3, 6, 8, 11, 14, 17]


def test_an_open_exercise_without_minutes_is_refused(tmp_path):
    text = "### Exercise 1.1 - area (open)\n\nOn your own ground. About 9 minutes."
    with pytest.raises(
        ValueError, match=r"^Exercise 1\.1 - area \(open\) states no minutes; write"
    ):
        times.sections(lesson(prose(text)))
    source = tmp_path / "01_theory.py"
    source.write_text("# %% [markdown]\n# # 01\n# " + text.replace("\n", "\n# "))
    for view in (lessons.learner_view, lessons.worked_view):
        with pytest.raises(ValueError, match=r"^01_theory\.py: Exercise 1\.1"):
            view(source)


def test_a_lesson_falls_into_its_sections():
    cells = [
        prose("# 01 · Where?\n\n" + "word " * 130),
        code("x = 1\n" * 9),
        prose("word " * 130 + "\n\n## First\n\n" + "word " * 129),
        code("x = 1\n" * 9),
        prose("## Second\n\n## Third\n\n### Part\n\n" + "word " * 128),
    ]
    found = [(one.title, one.minutes) for one in times.sections(lesson(*cells))]
    assert [title for title, _ in found] == ["", "First", "Second", "Third"]
    assert [took for _, took in found] == pytest.approx([3 + 2 / 130, 2, 1 / 130, 1], abs=1e-9)
    assert times.total(lesson(*cells)) == 5


# ---- What is written into a lesson ---------------------------------------------------

TITLE = "# 01 · Where does it go?\n\nYou need [00](00.ipynb).\nA laptop.\n\n**By the end you can**"
LONG = "word " * 260


def told(*cells):
    return [cell.source for cell in times.told(lesson(*cells)).cells]


def test_a_lesson_says_its_minutes_and_those_of_its_sections():
    title, cell = told(
        prose(TITLE), prose(f'## Why, so?\n\n{LONG}\n\n## $x$ and "y"\n\n{LONG}\n\n## End\n\nx')
    )
    assert title == (
        "# 01 · Where does it go?\n\nYou need [00](00.ipynb).\nA laptop.\n\n"
        'About 5 minutes: [Why, so?](#Why,-so?) 2 · $x$ and "y" 2.\n\n'
        "**By the end you can**"
    )
    assert cell == (
        f"## Why, so?\n\n*About 2 minutes.*\n\n{LONG}\n\n"
        f'## $x$ and "y"\n\n*About 2 minutes.*\n\n{LONG}\n\n## End\n\nx'
    )


def test_a_long_lesson_says_where_to_stop_half_way():
    def told_of(*minutes):
        sections = [f"## Part {n}\n\n{'word ' * 130 * m}" for n, m in enumerate(minutes, start=1)]
        return told(prose("# 00 · What?"), *map(prose, sections))[0].partition(" For ")[2]

    assert told_of(30, 30, 30) == ""
    assert told_of(30, 25, 30, 30) == (
        "two evenings: stop before [Part 3](#Part-3), after some 55 minutes."
    )
    assert told_of(70, 20, 20) == (
        "two evenings: stop before [Part 2](#Part-2), after some 70 minutes."
    )
    assert told_of(110) == ""


def test_without_needs_the_minutes_stand_below_the_title():
    assert told(prose("# 00 · What?"))[0] == "# 00 · What?\n\nAbout 5 minutes."
    assert told(prose("# 00 · What?\n\nWelcome."))[0] == (
        "# 00 · What?\n\nAbout 5 minutes.\n\nWelcome."
    )


def test_the_total_is_rounded_to_five_minutes():
    for count, total in ((1, 5), (7, 5), (8, 10), (12, 10), (13, 15)):
        assert times.total(lesson(prose("word " * 130 * count))) == total


def test_what_has_no_title_is_told_nothing():
    cells = [prose("No title."), prose(f"## Why\n\n{LONG}")]
    assert told(*cells) == [cell.source for cell in cells]
    assert told() == []


def test_the_notebook_that_was_given_stays_as_it_was():
    given = lesson(prose(TITLE), prose(f"## Why\n\n{LONG}"))
    before = nbformat.writes(given)
    times.told(given)
    assert nbformat.writes(given) == before


def test_both_views_of_a_lesson_tell_the_same_and_an_experiment_tells_nothing(tmp_path):
    text = (
        "# %% [markdown]\n# # 01 · Where?\n\n# %% [markdown]\n# ## Why\n# " + LONG + "\n\n"
        '# %% tags=["exercise"]\ndef f():\n    ### BEGIN SOLUTION\n' + "    x = 1\n" * 17 + ""
        '    ### END SOLUTION\n\n# %% [markdown] tags=["solution"]\n# ## ' + LONG * 3 + "\n"
    )
    lesson_source, experiment = tmp_path / "01_theory.py", tmp_path / "depth.py"
    for path in (lesson_source, experiment):
        path.write_text(text)
    for view in (lessons.learner_view, lessons.worked_view):
        assert (
            view(lesson_source).cells[0].source
            == "# 01 · Where?\n\nAbout 5 minutes: [Why](#Why) 2."
        )
        assert view(lesson_source).cells[1].source.startswith("## Why\n\n*About 2 minutes.*")
        assert view(experiment).cells[0].source == "# 01 · Where?"


# ---- The lessons ---------------------------------------------------------------------


def stated(notebook):
    """Minutes that a source states and should not, as they are counted."""
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    plain = re.sub(r"^### Exercise.*\n\n\*About \d+ minutes?, \w+\.\*$", "", words, flags=re.M)
    return re.findall(r"(?i)about \d+ minutes?", plain)


def test_minutes_in_a_source_are_seen():
    assert stated(lesson(prose("# 01 · Where?\n\nAbout 60 minutes.")))
    assert stated(lesson(prose("## Why\n\n*About 2 minutes.*")))
    assert not stated(
        lesson(prose("### Exercise 1.1 - f (open)\n\n*About 9 minutes, easy.*\n\nDo."))
    )


@pytest.mark.parametrize("path", lessons.source_files(), ids=lambda path: Path(path).stem)
def test_a_source_leaves_the_minutes_to_the_renderer(path):
    assert stated(rules.read(path)) == []
    assert times.sections(rules.read(path))[1].title
