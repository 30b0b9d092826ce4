"""The tables of a class hold what was found out, for people, spreadsheets and programs."""

import csv
import io
import random
from dataclasses import replace

import pandas as pd
import pytest

from helpers.grading import marks
from helpers.grading.marks import Override
from helpers.grading.records import ExerciseMark, PartMark, Record

COLUMNS = ["student", "exercise", "part", "points", "of", "status", "reason"]


def mark(exercise="halves", points=(2.0, 1.0), status="wrong", outcome="graded", **more):
    parts = tuple(PartMark(f"part {n}", p, 2 + n) for n, p in enumerate(points))
    given = {"number": "1.1", "title": "Halves", "signature": f"{exercise}(x)", "reason": "Nearly."}
    return ExerciseMark(exercise, parts=parts, status=status, outcome=outcome, **given | more)


def record(student="ada", lesson="01_theory", exercises=None, **more):
    exercises = (mark(), mark("thirds")) if exercises is None else exercises
    given = {"file": f"{student}/{lesson}.ipynb", "sha256": "ab", "time": "2025-01-01T00:00:00Z"}
    return Record(student, lesson, exercises=tuple(exercises), **given | more)


def rows(folder):
    """The table as a program reads it: the csv module, knowing of the mark at the front."""
    text = (folder / "marks.csv").read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


# -- The table ---------------------------------------------------------------------------


def test_one_row_a_part(tmp_path):
    marks.write(tmp_path / "new", [record()], {})
    head, *found = rows_of = list(
        csv.reader((tmp_path / "new" / "marks.csv").read_text("utf-8-sig").splitlines())
    )
    assert head == COLUMNS
    assert found == [
        ["ada", "halves", "part 0", "2", "2", "wrong", "Nearly."],
        ["ada", "halves", "part 1", "1", "3", "wrong", "Nearly."],
        ["ada", "thirds", "part 0", "2", "2", "wrong", "Nearly."],
        ["ada", "thirds", "part 1", "1", "3", "wrong", "Nearly."],
    ]
    assert len(rows_of) == 5


@pytest.mark.parametrize(
    ("points", "text"), [(0.0, "0"), (2.0, "2"), (0.5, "0.5"), (0.1 + 0.2, "0.3"), (1 / 3, "0.33")]
)
def test_numbers_are_plain(tmp_path, points, text):
    marks.write(tmp_path, [record(exercises=[mark(points=[points])])], {})
    assert [row["points"] for row in rows(tmp_path)] == [text]


def test_a_failed_grader_gives_no_points_not_even_zero(tmp_path):
    failed = mark(points=[0.0], status="grader failed", outcome="grader failed")
    person = mark("thirds", points=[0.0], outcome="needs a person")
    marks.write(tmp_path, [record(exercises=[failed, person])], {})
    assert [(row["points"], row["of"]) for row in rows(tmp_path)] == [("", "2"), ("0", "2")]


def test_excel_and_pandas_read_the_table(tmp_path):
    marks.write(tmp_path, [record("José Ångström, Zoë")], {})
    content = (tmp_path / "marks.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfstudent,")  # how Excel knows UTF-8
    table = pd.read_csv(tmp_path / "marks.csv")
    assert list(table.columns) == COLUMNS
    assert set(table["student"]) == {"José Ångström, Zoë"}
    assert table["points"].sum() == 6


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),  # noqa: RUF001
        ("a;=1", "a;'=1"),
        ("a; @x", "a;' @x"),
        ("\t=1", "⟨U+0009⟩=1"),
        ("\r=1", "⟨U+000D⟩=1"),
        ("a\nb", "a⟨U+000A⟩b"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\udcffa", "⟨U+DCFF⟩a"),
        ("न\u200dम", "न\u200dम"),
        ("a=b, 2-1", "a=b, 2-1"),
        ("'=1", "'=1"),
    ],
)
def test_a_spreadsheet_shows_a_name_and_runs_nothing(tmp_path, text, cell):
    marks.write(tmp_path, [record(text, exercises=[mark(points=[1.0])])], {})
    assert [row["student"] for row in rows(tmp_path)] == [cell]


def test_a_reason_is_one_line_and_not_endless(tmp_path):
    reason = '=HYPERLINK("x")\nraised\r\n\tValueError: "a", b\u2028' + "x" * 9000
    marks.write(tmp_path, [record(exercises=[mark(points=[1.0], reason=reason)])], {})
    (row,) = rows(tmp_path)
    assert row["reason"].startswith('\'=HYPERLINK("x") raised ValueError: "a", b xxx')
    assert len(row["reason"]) < 2100
    assert len((tmp_path / "marks.csv").read_bytes().split(b"\r\n")) == 3


# -- The lines ---------------------------------------------------------------------------


def test_the_lines_hold_the_whole_records(tmp_path):
    strange = record("x\udcff\u2028=1", notes=("a\nb",), versions={"torch": "2"})
    given = [record("b"), record("a", "02_symptoms"), record("a"), strange]
    marks.write(tmp_path, given, {})
    lines = (tmp_path / "marks.jsonl").read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    read = [Record.from_json(line) for line in lines]
    assert read == [given[2], given[1], given[0], strange]


def test_bytes_do_not_depend_on_the_order(tmp_path):
    given = [record(s, lesson) for s in ("a", "B", "ß", "b") for lesson in ("02_x", "01_y")]
    overrides = {("a", "halves"): Override("a", "halves", 1.5, "Fine.")}
    seen = set()
    for seed in range(5):
        random.Random(seed).shuffle(given)
        marks.write(tmp_path, given, overrides)
        seen.add(((tmp_path / "marks.csv").read_bytes(), (tmp_path / "marks.jsonl").read_bytes()))
    assert len(seen) == 1
    # A record more is seen, and a time is not in the table.
    later = [replace(one, time="2026-01-01T00:00:00Z") for one in given]
    marks.write(tmp_path, later, overrides)
    assert ((tmp_path / "marks.csv").read_bytes()) == next(iter(seen))[0]
    marks.write(tmp_path, later[1:], overrides)
    assert ((tmp_path / "marks.csv").read_bytes()) != next(iter(seen))[0]


def test_a_notebook_marked_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="lesson 01_theory of ada is there twice"):
        marks.write(tmp_path, [record(), record(file="other")], {})
    assert list(tmp_path.iterdir()) == []


# -- Overrides ---------------------------------------------------------------------------


def overrides(tmp_path, text, records=None):
    path = tmp_path / "by_hand.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return marks.read_overrides(path, [record(), record("bob")] if records is None else records)


@pytest.mark.parametrize(
    "text",
    [
        "student,exercise,points,comment\nada,halves,2.5,Well done\n",
        "\ufeffstudent,exercise,points,comment\r\nada,halves,2.5,Well done\r\n",
        "Student; EXERCISE ;Points;Comment\n ada ; halves ;2,5; Well done ",
        "points\tcomment\texercise\tstudent\n2.5\tWell done\thalves\tada",
        "\n\nstudent,exercise,part,points,comment,of\n\nada,halves,,2.50,Well done,5\n,,,,,\n",
        'student,exercise,points,comment\n"ada","halves","2.5","Well done"\n',
    ],
)
def test_overrides_are_read_as_people_write_them(tmp_path, text):
    assert overrides(tmp_path, text) == {
        ("ada", "halves"): Override("ada", "halves", 2.5, "Well done")
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("adda,halves,1,x", r"by_hand.csv, line 3: there is no student adda; did you mean 'ada'\?"),
        ("Ada,halves,1,x", r"line 3: there is no student Ada; did you mean 'ada'\?"),
        (",halves,1,x", "line 3: there is no student without a name"),
        ("ada,halve,1,x", r"line 3: there is no exercise halve; did you mean 'halves'\?"),
        ("ada,halves,,x", "line 3: points for halves must be a number .* got nothing"),
        ("ada,halves,two,x", "line 3: points for halves must be a number .* got two"),
        ("ada,halves,nan,x", "line 3: points for halves must be a number"),
        ("ada,halves,1_0,x", "line 3: points for halves must be a number"),
        ("ada,halves,1.255,x", "line 3: points .* at most two decimals"),
        ("ada,halves,-1,x", "line 3: points for halves must lie between 0 and 5, got -1"),
        ("ada,halves,5.01,x", "line 3: points for halves must lie between 0 and 5, got 5.01"),
        ("bob,halves,1,x", "line 3: bob and halves are in line 2 already"),
        ("ada,halves,1,a comment, with a comma", "line 3 has 5 cells, the first line 4; put"),
        ('ada,halves,1,"never closed', "line 3: .*; look at the quotation marks"),
    ],
)
def test_a_wrong_override_is_one_sentence_with_its_line(tmp_path, line, said):
    good = "student,exercise,points,comment\nbob,halves,1,Fine\n"
    assert len(overrides(tmp_path, good)) == 1
    with pytest.raises(ValueError, match=said) as caught:
        overrides(tmp_path, good + line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "by_hand.csv is empty; its columns are student, exercise, points, comment"),
        ("student,points,comment\n", "line 1: there must be one column exercise"),
        ("student,exercise,points,points,comment\n", "line 1: there must be one column points"),
        ("student,exercise,part,points,comment\nada,halves,part 0,1,x", "line 2: .* whole exerc"),
        ("student,exercise,points,comment\nJos\xe9,halves,1,x".encode("latin-1"), "not in UTF-8"),
        ('student,exercise,points,comment\nada,halves,1,"a\nb"\nada,no,1,x', "line 4: there is no"),
    ],
)
def test_a_file_that_is_no_table_of_overrides_is_refused(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        overrides(tmp_path, text)


@pytest.mark.parametrize(
    ("student", "written"),
    [("=evil", "'=evil"), ("Jose\u0301", "José"), (" ada ", "ada"), ("a\nb", "a⟨U+000A⟩b")],
)
def test_names_may_come_from_the_table_or_a_keyboard(tmp_path, student, written):
    text = f"student,exercise,points,comment\n{written},halves,1,x\n"
    assert list(overrides(tmp_path, text, [record(student)])) == [(student, "halves")]


def test_a_name_that_could_mean_two_students_is_refused(tmp_path):
    text = "student,exercise,points,comment\nada,halves,1,x\n"
    given = [record(" ada"), record("ada ")]
    with pytest.raises(ValueError, match="there is no student ada"):
        overrides(tmp_path, text, given)
    assert list(overrides(tmp_path, text, [*given, record("ada")])) == [("ada", "halves")]


def test_an_override_replaces_the_parts_and_nothing_else():
    misconception = mark(misconception="forgot one", cpu_seconds=3.0, outcome="needs a person")
    given = [record(exercises=[misconception, mark("thirds")]), record("bob")]
    by_hand = {("ada", "halves"): Override("ada", "halves", 4.5, "The idea is right.")}
    ada, bob = marks.applied(given, by_hand)
    assert bob == given[1]
    assert ada.exercises[1] == given[0].exercises[1]
    assert ada.exercises[0] == replace(
        misconception,
        parts=(PartMark("by hand", 4.5, 5),),
        status="by hand",
        outcome="graded",
        reason="The idea is right.",
        misconception=None,
    )
    assert marks.applied([ada, bob], by_hand) == [ada, bob]
    assert given[0].exercises[0] == misconception


def test_an_override_for_somebody_who_handed_nothing_in(tmp_path):
    nothing = mark(points=[0.0, 0.0], status="not handed in")
    absent = record("bob", exercises=[nothing], file="", sha256="")
    (got,) = marks.applied([absent], {("bob", "halves"): Override("bob", "halves", 3, "On paper")})
    assert (got.exercises[0].points, got.exercises[0].status) == (3, "by hand")
    # No record of that lesson at all: one is made, and the rest of it was not handed in.
    given = [record("ada"), record("bob", "02_symptoms", [mark("quarters")])]
    text = "student,exercise,points,comment\nbob,thirds,3,On paper\n"
    *same, made = marks.applied(given, overrides(tmp_path, text, given))
    assert same == given
    assert (made.student, made.lesson, made.file) == ("bob", "01_theory", "")
    assert [(m.exercise, m.status, m.points, m.of) for m in made.exercises] == [
        ("halves", "not handed in", 0, 5),
        ("thirds", "by hand", 3, 5),
    ]


def test_the_table_shows_what_was_set_by_hand(tmp_path):
    by_hand = {("ada", "halves"): Override("ada", "halves", 4.5, "Fine;\nreally")}
    marks.write(tmp_path, [record()], by_hand)
    assert list(rows(tmp_path)[0].values()) == [
        *("ada", "halves", "by hand", "4.5", "5", "by hand", "Fine; really")
    ]
    assert len(rows(tmp_path)) == 3
    assert '"by hand"' in (tmp_path / "marks.jsonl").read_text()
