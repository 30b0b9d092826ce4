import nbformat
import pytest

from tests import lesson_questions

QUESTION = """\
**Question.** Which of these changes
the factor per layer?

<details><summary>The batch size</summary>Not this: a batch averages deltas, and
<code>mean()</code> of equal factors is the factor.</details>
<details><summary>The gain</summary>Right. Each matrix is longer by it, see $\\chi$.</details>

<details><summary>The seed</summary>Not this: it changes <b>all</b> of a little.<br>And no
more.</details>"""


def good():
    """A lesson with three questions in good form."""
    cells = []
    for number in range(3):
        cells.append(nbformat.v4.new_markdown_cell(f"Say {number}.\n\n**A question**, they say."))
        cells.append(nbformat.v4.new_markdown_cell(QUESTION))
    return nbformat.v4.new_notebook(cells=cells)


def test_questions_in_good_form_are_left_alone():
    assert lesson_questions.complaints(good()) == []


def changing(old, new, count=-1):
    """A change of the second question."""

    def damage(notebook):
        assert old in QUESTION
        notebook.cells[3].source = QUESTION.replace(old, new, count)

    return damage


BAD = [
    (lesson_questions.number_of_questions, lambda nb: nb.cells.pop()),
    (lesson_questions.number_of_questions, lambda nb: nb.cells.extend(good().cells[:2])),
    (lesson_questions.spread, lambda nb: nb.cells.pop(2)),
    (lesson_questions.well_formed, changing("**Question.** ", "And now.\n\n**Question.** ")),
    (lesson_questions.well_formed, changing("**Question.** ", "**Question:** ")),
    (lesson_questions.well_formed, changing("layer?", "layer.")),
    (lesson_questions.well_formed, changing("layer?\n\n", "layer?\n")),
    (lesson_questions.well_formed, changing("Right. ", "Correct. ")),
    (lesson_questions.well_formed, changing("Not this: it", "Right. It")),
    (lesson_questions.well_formed, changing("The seed", "The gain")),
    (lesson_questions.well_formed, changing("Each matrix is longer by it, see $\\chi$.", "Yes.")),
    (lesson_questions.well_formed, changing("</b>", "")),
    (lesson_questions.well_formed, changing("<b>", "")),
    (lesson_questions.well_formed, changing("<code>mean()</code>", "`mean()`")),
    (lesson_questions.well_formed, changing("<b>all</b>", "**all**")),
    (lesson_questions.well_formed, changing("</details>\n<details>", "</details>\nAnd\n<details>")),
    (lesson_questions.well_formed, changing("</details>", "", 1)),
    (lesson_questions.well_formed, changing("<summary>The gain</summary>", "The gain")),
    (
        lesson_questions.well_formed,
        changing("</details>\n<details><summary>The gain", "</details>\n</details>The gain"),
    ),
    (
        lesson_questions.well_formed,
        lambda nb: nb.cells[1].update(source=QUESTION.partition("\n\n<details><summary>The s")[0]),
    ),
    (
        lesson_questions.well_formed,
        lambda nb: nb.cells[1].update(
            source=QUESTION
            + "".join(
                f"\n<details><summary>{name}</summary>It is no such thing.</details>"
                for name in "ab"
            )
        ),
    ),
]


@pytest.mark.parametrize(("rule", "damage"), BAD)
def test_each_rule_sees_a_bad_question(rule, damage):
    notebook = good()
    assert rule(notebook) == []
    damage(notebook)
    assert rule(notebook)


def test_no_rule_is_left_without_a_bad_question():
    assert {rule for rule, _ in BAD} == set(lesson_questions.RULES)


def test_each_fault_is_told_for_what_it_is():
    """The damages above are not all seen for one and the same reason."""
    reasons = set()
    for rule, damage in BAD:
        notebook = good()
        damage(notebook)
        reasons |= {said.partition(":")[0] for said in rule(notebook)}
    assert len(reasons) >= 12


def test_the_program_names_the_lesson(tmp_path, monkeypatch, capsys):
    path = tmp_path / "01_theory.ipynb"
    monkeypatch.setattr(lesson_questions.lessons, "paths", lambda names: [path])
    nbformat.write(good(), path)
    assert not lesson_questions.main(["01"])
    notebook = good()
    notebook.cells.pop()
    nbformat.write(notebook, path)
    assert lesson_questions.main(["01"])
    assert capsys.readouterr().out.strip() == "01_theory: 2 questions, expected 3 to 3"
