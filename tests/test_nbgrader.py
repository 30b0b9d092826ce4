"""The nbgrader course and gradebook; what needs nbgrader itself is skipped without it."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from traitlets.config import PyFileConfigLoader

from helpers import exercises, lessons
from helpers.grading.hand_back import nbgrader_gradebook, release
from helpers.grading.hand_back.nbgrader_gradebook import cell_name, to_gradebook
from helpers.grading.records import ExerciseMark, PartMark, Record
from helpers.lessons import reference
from helpers.lessons.sources import ROOT

LESSONS = lessons.paths()
NAME = "sigmoid_chain_grad"
STUB = "raise NotImplementedError  # your turn"
ANSWERS = {
    "right": "slope = torch.ones_like(x)\n"
    "    for _ in range(depth):\n"
    "        x = torch.sigmoid(x)\n"
    "        slope = slope * x * (1 - x)\n"
    "    return slope",
    "half": "return torch.full_like(x, 0.25**depth)",
    "stub": STUB,
}
ANSWERS["warns"] = f"import warnings\n    warnings.warn('careful')\n    {ANSWERS['right']}"
ANSWERS["lost"] = ANSWERS["right"]
POINTS = {"right": [2, 3], "half": [2, 0], "stub": [0, 0], "warns": [2, 3], "lost": [2, 3]}


@pytest.fixture(scope="module")
def api():
    """Return nbgrader's own interface, which wants its programs on the path, or skip."""
    found = pytest.importorskip("nbgrader.api")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield found


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def asked_for(cell):
    return re.search(r"^def (\w+)", cell.source, re.MULTILINE)[1]


def read(path):
    return nbformat.read(path, as_version=4)


def released(folder, notebooks):
    """Release lessons, and return the nbgrader course that lies beside the release."""
    list(release.release(folder / "class", notebooks, [], ROOT, nbgrader=True))
    return folder / "class-nbgrader"


def short_lesson(folder):
    """Lesson 01 with exercise 1.2 only, and without what takes time."""
    lesson = read(LESSONS[1])
    asked = [NAME in cell.source and cell.cell_type == "code" for cell in lesson.cells]
    setup = nbformat.v4.new_code_cell("import torch\n\nfrom helpers import exercises")
    chosen = [cell for cell, wanted in zip(lesson.cells, asked, strict=True) if wanted]
    lesson.cells = [lesson.cells[0], setup, *chosen]
    nbformat.write(lesson, folder / "01_theory.ipynb")
    return folder / "01_theory.ipynb"


def nbgrader(course, *words):
    """Run one of nbgrader's own commands in a course."""
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=course,
        capture_output=True,
        text=True,
        check=True,
    )


def scores(api, course, lesson="01_theory"):
    """Return the points of each student in the order of the cells."""
    with api.Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {
            one.student.id: [
                grade.score for grade in sorted(one.notebooks[0].grades, key=lambda one: one.name)
            ]
            for one in gradebook.assignment_submissions(lesson)
        }


# ---- The course directory ------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return released(tmp_path_factory.mktemp("all"), LESSONS)


def sources(course):
    return [read(course / "source" / path.stem / path.name) for path in LESSONS]


def marked(notebook):
    """Return what nbgrader is told, by name."""
    cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader for cell in cells}


def test_points_are_those_of_the_exercises(course):
    points = {}
    for notebook in sources(course):
        for name, marks in marked(notebook).items():
            if marks.grade:
                exercise, part = name.rsplit("-", 1)
                points.setdefault(exercise, {})[int(part)] = marks.points
    assert points == {
        name: {index + 1: of for index, (_, of) in enumerate(exercise.rubric.parts)}
        for name, exercise in exercises.ALL.items()
    }


def test_an_nbgrader_course_lies_beside_the_students_folder_and_not_in_it(tmp_path):
    lines = list(release.release(tmp_path / "class", LESSONS[:1], [], ROOT, nbgrader=True))
    assert lines[-1].endswith("class-nbgrader: an nbgrader course, for you and not for students")
    assert {path.name for path in tmp_path.iterdir()} == {"class", "class-nbgrader"}
    assert not [path for path in (tmp_path / "class").rglob("*") if "nbgrader" in path.name]
    assert (
        "generate_assignment 00_start_here" in (tmp_path / "class-nbgrader/README.md").read_text()
    )


def test_a_course_in_use_is_not_replaced_and_nothing_else_is(tmp_path):
    course = released(tmp_path, LESSONS[:1])
    (course / "gradebook.db").write_bytes(b"marks")
    before = (tmp_path / "class" / "README.md").stat().st_ino
    with pytest.raises(ValueError, match=r"class-nbgrader holds work .*lost: gradebook.db; move"):
        released(tmp_path, LESSONS[:1])
    assert (tmp_path / "class" / "README.md").stat().st_ino == before


def test_solutions_are_not_in_an_nbgrader_course(course):
    for path, notebook in zip(LESSONS, sources(course), strict=True):
        for cell, given in zip(
            tagged(notebook, "exercise"), tagged(read(path), "exercise"), strict=True
        ):
            if asked_for(given) in exercises.OPEN:
                assert cell.source == given.source
                continue
            lines = cell.source.split("\n")
            region = lines.index("    ### BEGIN SOLUTION"), lines.index("    ### END SOLUTION")
            assert lines[region[0] + 1 : region[1]] == [f"    {STUB}"]
            assert [line for line in lines if "SOLUTION" not in line] == given.source.split("\n")


def test_nothing_else_of_a_lesson_changes(course):
    for path, notebook in zip(LESSONS, sources(course), strict=True):
        added = [
            cell.id for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("locked")
        ]
        kept = [cell for cell in notebook.cells if cell.id not in added]
        given = read(path).cells
        assert [cell.id for cell in kept] == [cell.id for cell in given]
        for cell, original in zip(kept, given, strict=True):
            if cell.cell_type == "markdown":
                assert cell.source == reference.beside_lessons(original.source)
            else:
                assert cell.source == original.source or "exercise" in cell.metadata.tags
            assert not cell.get("outputs")
        nbformat.validate(notebook)
        assert added[0] == "cells-with-points"
        assert len(added) == 1 + sum(
            len(exercises.ALL[name].rubric.parts)
            for name in marked(notebook)
            if name in exercises.ALL
        )


def test_points_follow_the_check_of_their_exercise(course):
    cells = [cell.source for cell in sources(course)[1].cells]
    check = cells.index(f"exercises.check({NAME})")
    assert cells[check + 1].startswith("# 2 points for: one layer\n")
    assert cells[check + 2].startswith("# 3 points for: any depth\n")


def test_an_exercise_without_a_check_gets_its_points_all_the_same():
    lesson = read(LESSONS[1])
    lesson.cells = [lesson.cells[0], *tagged(lesson, "exercise")[:2]]
    ids = list(marked(release._nbgrader_source(lesson)))
    first, second = "layers_until", NAME
    assert ids == [
        "cells-with-points",
        *(first, f"{first}-1", f"{first}-2"),
        *(second, f"{second}-1", f"{second}-2"),
    ]


def test_nbgrader_makes_every_assignment_and_students_get_our_stubs(course, api, tmp_path):
    from nbgrader.apps import NbGraderAPI

    shutil.copytree(course, tmp_path / "course")
    loader = PyFileConfigLoader("nbgrader_config.py", str(tmp_path / "course"))
    settings = loader.load_config()
    settings.CourseDirectory.root = str(tmp_path / "course")
    maker = NbGraderAPI(config=settings)
    for path in LESSONS:
        done = maker.generate_assignment(path.stem)
        assert done["success"], done["log"]
    with api.Gradebook(f"sqlite:///{tmp_path / 'course' / 'gradebook.db'}") as gradebook:
        worth = {one.name: one.max_score for one in gradebook.assignments}
    for path in LESSONS:
        assignment = read(tmp_path / "course" / "release" / path.stem / path.name)
        stubs = [cell.source for cell in tagged(assignment, "exercise")]
        assert stubs == [cell.source for cell in tagged(read(path), "exercise")]
        asked = [asked_for(cell) for cell in tagged(assignment, "exercise")]
        assert worth[path.stem] == sum(
            exercises.ALL[name].rubric.points for name in asked if name in exercises.ALL
        )


@pytest.fixture(scope="module")
def graded(api, tmp_path_factory):
    """A course of one short lesson, autograded for a student of every kind."""
    folder = tmp_path_factory.mktemp("graded")
    course = released(folder, [short_lesson(folder)])
    nbgrader(course, "generate_assignment", "01_theory")
    for student, answer in ANSWERS.items():
        notebook = read(course / "release" / "01_theory" / "01_theory.ipynb")
        (cell,) = tagged(notebook, "exercise")
        cell.source = cell.source.replace(STUB, answer)
        if student == "lost":
            notebook.cells = [one for one in notebook.cells if one.id != f"{NAME}-2"]
        place = course / "submitted" / student / "01_theory"
        place.mkdir(parents=True)
        nbformat.write(notebook, place / "01_theory.ipynb")
    nbgrader(course, "autograde", "01_theory")
    return course


def test_nbgrader_gives_the_right_points(graded, api):
    assert scores(api, graded) == POINTS


def test_a_students_notebook_runs_to_its_end_under_nbgrader(graded):
    for student in ANSWERS:
        notebook = read(graded / "autograded" / student / "01_theory" / "01_theory.ipynb")
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        assert [one for one in outputs if one.output_type == "error"] == []
        assert outputs[0].text.startswith(f"Exercise 1.2 · {NAME}: ")


# ---- The gradebook -------------------------------------------------------------------


def mark(name=NAME, points=(2, 3), **changes):
    exercise = exercises.ALL[name]
    parts = tuple(
        PartMark(part, earned, of)
        for (part, of), earned in zip(exercise.rubric.parts, points, strict=True)
    )
    given = ExerciseMark(
        exercise=name,
        number=exercise.number,
        title=exercise.title,
        signature=exercise.signature,
        parts=parts,
        status="correct",
        outcome="graded",
        reason="Right on all questions.",
    )
    return replace(given, **changes)


def record(student, *marks, **changes):
    given = Record(student, "01_theory", f"{student}.ipynb", "a" * 64, marks or (mark(),))
    return replace(given, **changes)


def by_hand(points):
    return mark(
        parts=(PartMark("by hand", points, 5),), status="by hand", reason="Your proof is right."
    )


def rows(api, database):
    """Return each student's (auto, manual, extra, needs a person), and the comments."""
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        found = {}
        for one in gradebook.assignment_submissions("01_theory"):
            for notebook in one.notebooks:
                grades = {
                    grade.name: (
                        grade.auto_score,
                        grade.manual_score,
                        grade.extra_credit,
                        grade.needs_manual_grade,
                    )
                    for grade in notebook.grades
                }
                found[one.student.id] = (
                    grades,
                    {comment.name: comment.comment for comment in notebook.comments},
                )
        return found


@pytest.fixture(scope="module")
def empty(api, tmp_path_factory):
    """A gradebook in which nothing is: nbgrader takes seconds to make one."""
    database = tmp_path_factory.mktemp("empty") / "gradebook.db"
    with api.Gradebook(f"sqlite:///{database}"):
        pass
    return database


@pytest.fixture
def database(empty, tmp_path):
    return Path(shutil.copy(empty, tmp_path))


def test_without_nbgrader_one_sentence_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nbgrader.api", None)
    with pytest.raises(ValueError, match=r"nbgrader is not installed here; install it beside"):
        to_gradebook([record("ada")], str(tmp_path / "gradebook.db"))
    assert list(tmp_path.iterdir()) == []


def test_marks_and_reasons_reach_a_new_gradebook(api, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")  # as it is when nobody activated the environment
    database = tmp_path / "gradebook.db"
    ada = record("ada", mark(), mark("norm_per_layer", [1, 0], reason="Mind the direction."))
    bob = record("bob", mark(points=[2, 0.5], status="wrong"), notes=("Two cells answer.",))
    assert to_gradebook([ada, bob], str(database)) == 2
    found = rows(api, database)
    assert found["ada"] == (
        {
            f"{NAME}-1": (2, None, None, False),
            f"{NAME}-2": (3, None, None, False),
            "norm_per_layer-1": (1, None, None, False),
            "norm_per_layer-2": (0, None, None, False),
        },
        {NAME: "Right on all questions.", "norm_per_layer": "Mind the direction."},
    )
    assert found["bob"][0][f"{NAME}-2"] == (0.5, None, None, False)
    assert found["bob"][1][NAME] == "Right on all questions.\n\nTwo cells answer."
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        assert gradebook.find_submission("01_theory", "ada").score == 6
        assert gradebook.find_assignment("01_theory").max_score == 9


def test_who_handed_nothing_in_has_no_submission(api, database):
    nothing = mark(points=[0, 0], status="not handed in")
    marks = [record("ada", nothing), record("bob", by_hand(4))]
    assert to_gradebook(marks, str(database)) == 1
    assert list(rows(api, database)) == ["bob"]
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        assert {one.id for one in gradebook.students} == {"ada", "bob"}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("needs a person", (0, None, None, True)), ("grader failed", (None, None, None, True))],
)
def test_what_a_person_must_see_waits_for_one(api, outcome, expected, database):
    undecided = mark(points=[0, 0], status="broke the protocol", outcome=outcome)
    to_gradebook([record("ada", undecided)], str(database))
    assert rows(api, database)["ada"][0][f"{NAME}-1"] == expected


@pytest.mark.parametrize(
    ("points", "first", "second"),
    [
        (5, (2, None), (3, None)),
        (2.5, (2, None), (0.5, None)),
        (1, (1, None), (0, None)),
        (0, (0, None), (0, None)),
        (6, (2, None), (3, 1)),
    ],
)
def test_points_by_hand_are_spread_over_the_parts(api, points, first, second, database):
    to_gradebook([record("ada", mark(points=[0, 0]))], str(database))
    to_gradebook([record("ada", by_hand(points))], str(database))
    grades, comments = rows(api, database)["ada"]
    assert grades == {f"{NAME}-1": (0, *first, False), f"{NAME}-2": (0, *second, False)}
    assert comments == {NAME: "Your proof is right."}
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        assert gradebook.find_submission("01_theory", "ada").score == points


def test_marks_reach_a_gradebook_that_nbgrader_made(graded, api, tmp_path):
    database = tmp_path / "gradebook.db"
    shutil.copy(graded / "gradebook.db", database)
    to_gradebook([record("half"), record("new", mark(points=[2, 0]))], str(database))
    assert scores(api, tmp_path) == {**POINTS, "half": [2, 3], "new": [2, 0]}
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        assert gradebook.find_assignment("01_theory").max_score == 5
        (notebook,) = gradebook.find_assignment("01_theory").notebooks
        assert {cell.name for cell in notebook.grade_cells} == {f"{NAME}-1", f"{NAME}-2"}


def test_a_score_that_somebody_gave_in_nbgrader_counts_on(api, tmp_path, database):
    to_gradebook([record("ada", mark(points=[2, 0]))], str(database))
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        grade = gradebook.find_grade(f"{NAME}-2", "01_theory", "01_theory", "ada")
        grade.manual_score = 1.5
        gradebook.find_comment(NAME, "01_theory", "01_theory", "ada").manual_comment = "Nearly."
        gradebook.db.commit()
    to_gradebook([record("ada", mark(points=[2, 3]))], str(database))
    grades, comments = rows(api, database)["ada"]
    assert grades[f"{NAME}-2"] == (3, 1.5, None, True)
    assert comments == {NAME: "Nearly."}
    assert scores(api, tmp_path) == {"ada": [2, 1.5]}


def test_writing_twice_changes_nothing(api, database):
    marks = [record("ada", by_hand(6)), record("bob", mark(points=[2, 0]))]
    to_gradebook(marks, str(database))
    before = rows(api, database)
    to_gradebook(marks, f"sqlite:///{database}")
    assert rows(api, database) == before
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM grade").fetchone() == (4,)


def test_an_exercise_that_came_later_is_added_for_everybody(api, database):
    to_gradebook([record("ada"), record("bob")], str(database))
    to_gradebook([record("ada", mark(), mark("norm_per_layer", [1, 3]))], str(database))
    grades, comments = rows(api, database)["ada"]
    assert grades["norm_per_layer-2"] == (3, None, None, False)
    assert set(comments) == {NAME, "norm_per_layer"}
    assert set(rows(api, database)["bob"][0]) == {f"{NAME}-1", f"{NAME}-2"}


@pytest.mark.filterwarnings("ignore:Object of type <SubmittedAssignment>")
def test_a_lesson_added_to_an_assignment_with_submissions_gets_its_rows(api, tmp_path, database):
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        gradebook.add_assignment("01_theory")
        gradebook.add_student("ada")
        gradebook.add_submission("01_theory", "ada")
    to_gradebook([record("ada")], str(database))
    assert scores(api, tmp_path) == {"ada": [2, 3]}


@pytest.mark.parametrize(
    "old",
    [
        mark(exercise="withdrawn"),
        mark(parts=(PartMark("one layer", 2, 2),)),
        mark(parts=(PartMark("one layer", 2, 2), PartMark("any depth", 3, 4))),
        mark(exercise="withdrawn", status="by hand", parts=(PartMark("by hand", 1, 1),)),
    ],
)
def test_marks_of_another_version_are_refused(api, old, database):
    with pytest.raises(ValueError, match="was marked with another version of the course"):
        to_gradebook([record("ada", old)], str(database))


def test_a_gradebook_with_other_points_is_refused(api, database):
    to_gradebook([record("ada")], str(database))
    with api.Gradebook(f"sqlite:///{database}") as gradebook:
        gradebook.find_grade_cell(f"{NAME}-2", "01_theory", "01_theory").max_score = 4
        gradebook.db.commit()
    with pytest.raises(ValueError, match=r"gives 4 points for sigmoid_chain_grad-2 of 01_theory, "):
        to_gradebook([record("bob")], str(database))


@pytest.mark.parametrize("place", ["missing/gradebook.db", "notes.txt", "nosuch://gradebook"])
def test_a_database_that_cannot_be_written_is_named(api, tmp_path, place):
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be taken for one" * 9)
    database = place if "://" in place else str(tmp_path / place)
    with pytest.raises(ValueError, match=rf"the gradebook .*{place} cannot be written: \S"):
        to_gradebook([record("ada")], database)


def test_a_students_text_stays_text_on_nbgraders_feedback_page(api, graded, tmp_path):
    nasty = "raised <img src=x onerror=alert(1)>: [a](javascript:b) ![c](http://d.example/e)\n# f"
    shutil.copytree(graded, tmp_path / "course")
    database = tmp_path / "course" / "gradebook.db"
    to_gradebook([record("half", mark(reason=nasty))], str(database))
    nbgrader(tmp_path / "course", "generate_feedback", "01_theory", "--student=half")
    page = (tmp_path / "course/feedback/half/01_theory/01_theory.html").read_text()
    _, comment, rest = page.partition("<b>Comments:</b>")
    shown = rest.partition("</div>")[0]
    assert comment
    assert "raised &lt;img src=x onerror=alert(1)&gt;: [a](javascript:b)" in shown
    # A bare address becomes a link to itself; nothing else is more than text.
    assert re.findall(r"<(\w+[^>]*)>", shown) == ["p", 'a href="http://d.example/e"']


def test_names_of_cells_are_such_as_nbgrader_takes():
    names = [cell_name(name, 9) for name in exercises.ALL]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)
    assert nbgrader_gradebook.cell_name("a", 0) == "a-1"
