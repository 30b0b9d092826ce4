"""An exported gradebook comes back with one column filled and every other byte in place."""

import csv
import io
import re

import pytest

from helpers.grading.hand_back import gradebooks
from helpers.grading.records import ExerciseMark, PartMark, Record

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Notes,Lab 0 (11),Lab 1 (12),Lab Current Score\r\n"
    ",,,,,,Manual Posting,,\r\n"
    "    Points Possible,,,,,,5.00,10.00,(read only)\r\n"
    '"Lovelace, Ada",101,S1,ada1,"Lab, Monday","said ""hi""",5.00,,100.00\r\n'
    '"Hopper, Grace",102,S2,grace2,Lab,,4.00,7.00,80.00\r\n'
    '"Turing, Alan",103,S3,alan3,Lab,,,EX,\r\n'
    '"Noether, Emmy",104,S4,emmy4,Lab,,3.00,"",60.00\r\n'
    '"Student, Test",999,,8f0e,Lab,,,,\r\n'
)
WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    'Participant 71,Ada Lovelace,ada@x.org,Submitted,,10.00,Yes,"Monday, 1 May 2025",-,\n'
    'Participant 72,Grace Hopper,grace@x.org,,4.00,10.00,Yes,-,-,"two\nlines"\n'
)
GRADES = (
    '"First name","Last name","ID number","Email address","Assignment: Lab (Real)",'
    '"Course total (Real)","Last downloaded from this course"\n'
    '"Ada","Lovelace","0101","ada@x.org","-","-","1700000000"\n'
    '"Grace","Hopper","","grace@x.org","3,50","3,50","1700000000"\n'
)


def record(student, points=(4.0, 3.0), outcome="graded", lesson="01_theory"):
    exercises = [
        ExerciseMark(f"f{n}", f"1.{n}", "T", "f()", (PartMark("p", p, 5),), "wrong", outcome, "")
        for n, p in enumerate(points)
    ]
    return Record(student, lesson, "f.ipynb", "ab", tuple(exercises))


@pytest.fixture
def fill(tmp_path):
    """Fill a gradebook, return the sentences and the new text."""

    def run(how, text, records, column, **more):
        given = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "export.csv").write_bytes(given)
        out = tmp_path / "new" / "filled.csv"
        said = how(tmp_path / "export.csv", records, column, out, **more)
        assert (tmp_path / "export.csv").read_bytes() == given
        return said, out.read_bytes()

    return run


def canvas(fill, records, text=CANVAS, column="Lab 1 (12)", **more):
    return fill(gradebooks.canvas, text, records, column, **more)


def moodle(fill, records, text=WORKSHEET, column="Grade", **more):
    return fill(gradebooks.moodle, text, records, column, **more)


def test_one_cell_changes_and_every_other_byte_stays(fill):
    said, filled = canvas(fill, [record("ada1")])
    assert filled.decode() == CANVAS.replace("5.00,,100.00", "5.00,7,100.00")
    assert said == [
        "In the gradebook, but nothing was graded; cell left as it was (4 students):"
        " Hopper, Grace (grace2); Turing, Alan (alan3); Noether, Emmy (emmy4);"
        " Student, Test (8f0e)."
    ]


def test_the_csv_module_finds_the_same_table(fill):
    _, filled = canvas(fill, [record("ada1"), record("grace2", [2.5]), record("emmy4", [0.0])])
    before = list(csv.reader(io.StringIO(CANVAS, newline="")))
    after = list(csv.reader(io.StringIO(filled.decode(), newline="")))
    place = before[0].index("Lab 1 (12)")
    column = [row.pop(place) for row in after]
    assert column == ["Lab 1 (12)", "", "10.00", "7", "2.5", "EX", "0", ""]
    assert after == [row[:place] + row[place + 1 :] for row in before]
    assert b'3.00,"0",60.00' in filled  # quotes stay quotes


@pytest.mark.parametrize("text", [CANVAS, CANVAS.replace("\r\n", "\n"), CANVAS.rstrip()])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_kind_of_file_is_kept(fill, text, encoding, delimiter):
    rows = list(csv.reader(io.StringIO(text.replace("Hopper", "Höpper"), newline="")))
    new = io.StringIO(newline="")
    end = "\r\n" if "\r\n" in text else "\n"
    csv.writer(new, delimiter=delimiter, lineterminator=end).writerows(rows)
    export = new.getvalue().encode(encoding)
    _, filled = canvas(fill, [record("grace2", [1.0])], export)
    assert filled == export.replace(b"7.00", b"1")
    assert filled != export


@pytest.mark.parametrize(
    ("students", "column"),
    [(["101", "102"], "ID"), (["S1", "S2"], "SIS User ID"), (["ada1", "grace2"], "SIS Login ID")],
)
def test_the_column_where_most_match_is_found(fill, students, column):
    said, filled = canvas(fill, [record(student) for student in students])
    assert filled.count(b",7,") == 2
    assert "(3 students)" in said[-1]
    assert canvas(fill, [record(student) for student in students], match=column)[1] == filled
    for other in {"ID", "SIS User ID", "SIS Login ID"} - {column}:
        with pytest.raises(ValueError, match=f"no student graded here is in the column {other}"):
            canvas(fill, [record(student) for student in students], match=other)


def test_nobody_is_matched_by_name_or_by_likeness(fill):
    strangers = ["Lovelace, Ada", "Ada Lovelace", "ADA1", "ada", "ada1 ", "S4"]
    said, filled = canvas(fill, [record("grace2"), record("emmy4"), *map(record, strangers)])
    assert filled.decode() == CANVAS.replace("4.00,7.00", "4.00,7").replace('3.00,""', '3.00,"7"')
    assert said[0] == (
        "Graded, but without a line in the gradebook (6 students):"
        " ADA1; Ada Lovelace; Lovelace, Ada; S4; ada; ada1 ."
    )
    with pytest.raises(ValueError, match=r"no student graded here .* say which column"):
        canvas(fill, [record("Ada Lovelace")])


def test_two_columns_that_disagree_are_refused(fill):
    text = CANVAS.replace("101,S1,ada1", "101,102,ada1")
    with pytest.raises(ValueError, match=r"columns SIS User ID and ID .* say which"):
        canvas(fill, [record("102")], text)
    _, filled = canvas(fill, [record("102")], text, match="ID")
    assert b"4.00,7,80.00" in filled
    same = CANVAS.replace("101,S1,ada1", "ada1,S1,ada1")  # both mean the same line
    assert b"5.00,7,100.00" in canvas(fill, [record("ada1")], same)[1]


def test_an_identifier_twice_is_refused(fill):
    text = CANVAS.replace("emmy4", "ada1")
    with pytest.raises(ValueError, match=r"has ada1 twice in the column SIS Login ID, in lines 4 "):
        canvas(fill, [record("grace2"), record("ada1")], text)
    assert b"5.00,7,100.00" in canvas(fill, [record("S1")], text)[1]


def test_points_are_those_of_all_lessons_or_of_one(fill):
    two = [record("ada1", [1.5, 2.0]), record("ada1", [4.0], lesson="02_symptoms")]
    assert b"5.00,7.5,100.00" in canvas(fill, two)[1]
    assert b"5.00,3.5,100.00" in canvas(fill, two, lesson="01_theory")[1]
    assert b"5.00,4,100.00" in canvas(fill, two, lesson="02_symptoms")[1]
    with pytest.raises(ValueError, match="lesson 03_x was graded, only 01_theory, 02_symptoms"):
        canvas(fill, two, lesson="03_x")


def test_what_is_not_certain_is_said(fill):
    given = [
        record("ada1", outcome="needs a person"),
        record("grace2", [0.0], outcome="grader failed"),
        record("alan3"),
        record("emmy4", [5.0, 5.0, 0.5]),
    ]
    said, filled = canvas(fill, given)
    expected = CANVAS.replace("5.00,,100", "5.00,7,100").replace('"",60.00', '"10.5",60.00')
    assert filled.decode() == expected
    assert said[:-1] == [
        "Cell filled, but a person must look at an exercise (1 student): ada1.",
        "Cell left as it was, because Canvas says excused (1 student): alan3.",
        "Cell filled with more points than are possible (1 student): emmy4 (10.5 of 10).",
        "Cell left as it was, because the grader failed on an exercise (1 student): grace2.",
    ]
    assert "possible" not in " ".join(canvas(fill, [record("emmy4", [5.0, 5.0])])[0])


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("Lab 2", r'the column "Lab 2" is not there in export.csv; .* filled: "Notes", "Lab 0 '),
        ("Lab Current Score", "cannot be filled"),
        ("SIS Login ID", "cannot be filled"),
        ("Student", "cannot be filled"),
        ("Section", "cannot be filled"),
    ],
)
def test_a_column_that_is_not_for_marks_is_refused(fill, column, said):
    with pytest.raises(ValueError, match=said) as caught:
        canvas(fill, [record("ada1")], column=column)
    assert str(caught.value).endswith('filled: "Notes", "Lab 0 (11)", "Lab 1 (12)"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Name,Mark\nx,1\n", "is not a gradebook from Canvas"),
        (CANVAS.replace("Lab 0 (11)", "Lab 1 (12)"), "more than one column"),
        (CANVAS + '"never closed', "line 9: a quotation mark is never closed"),
        (CANVAS.encode("utf-16"), "is not a CSV file"),
        (CANVAS.replace('Lab,,3.00,"",60.00', "Lab"), "line 7 is shorter than the first line"),
        ("", "is not a gradebook from Canvas"),
    ],
)
def test_a_file_that_is_no_gradebook_is_refused(fill, text, said):
    with pytest.raises(ValueError, match=said):
        canvas(fill, [record("emmy4"), record("ada1")], text)


def test_the_export_itself_is_never_written(tmp_path):
    export = tmp_path / "export.csv"
    export.write_bytes(CANVAS.encode())
    with pytest.raises(ValueError, match=r"export.csv is your export; write to another file"):
        gradebooks.canvas(export, [record("ada1")], "Lab 1 (12)", export)
    assert export.read_bytes() == CANVAS.encode()


def test_first_and_last_names_in_columns_of_their_own(fill):
    text = re.sub(r'(?m)^"(\w+), (\w+)"', r"\1,\2", CANVAS).replace("Student,", "LastName,F,", 1)
    text = text.replace("LastName,F", "LastName,FirstName").replace(",,,,,,M", ",,,,,,,M")
    text = text.replace("Possible,", "Possible,,")
    said, filled = canvas(fill, [record("ada1")], text)
    assert filled.decode() == text.replace("5.00,,100.00", "5.00,7,100.00")
    assert "Hopper Grace (grace2)" in said[0]


@pytest.mark.parametrize(
    "folder",
    [
        *("ada@x.org", "Participant 71", "71"),
        *("Ada Lovelace_71_assignsubmission_file_", "A_B_71_assignsubmission_onlinetext"),
    ],
)
def test_a_worksheet_of_moodle(fill, folder):
    said, filled = moodle(fill, [record(folder)])
    assert filled.decode() == WORKSHEET.replace("Submitted,,10.00", "Submitted,7,10.00")
    assert len(said) == 1
    assert said[0].startswith("In the gradebook, but nothing was graded")
    assert "Grace Hopper" in said[0]


def test_bytes_that_are_no_text_are_kept(fill):
    export = WORKSHEET.replace("Grace", "Gr@ce").encode().replace(b"@ce", b"\x81\xff\xe9")
    assert moodle(fill, [record("71")], export)[1] == export.replace(b",,10.00", b",7,10.00")


def test_a_byte_order_mark_is_not_part_of_the_first_name(fill):
    for text in (WORKSHEET, WORKSHEET.replace("Identifier", '"Identifier"')):
        _, filled = moodle(fill, [record("71")], text.encode("utf-8-sig"))
        assert filled == text.replace(",,10.00", ",7,10.00").encode("utf-8-sig")


def test_lines_are_counted_as_an_editor_does(fill):
    text = WORKSHEET + "Participant 73,Emmy Noether\nParticipant 74,Alan\n"
    with pytest.raises(ValueError, match="line 5 is shorter"):
        moodle(fill, [record("71"), record("73")], text)


def test_a_worksheet_names_the_points_possible_line_by_line(fill):
    text = WORKSHEET.replace("4.00,10.00", "4.00,6.00")
    said, _ = moodle(fill, [record("71"), record("72")], text)
    assert said == ["Cell filled with more points than are possible (1 student): 72 (7 of 6)."]


def test_two_folders_for_one_line_are_refused(fill):
    with pytest.raises(ValueError, match="the folders 71 and Participant 71 both match line 2"):
        moodle(fill, [record("71"), record("Participant 71")])
    with pytest.raises(ValueError, match="cannot be filled"):
        moodle(fill, [record("71")], column="Maximum Grade")


def test_the_grades_of_a_course_with_decimal_commas(fill):
    given = [record("ada@x.org", [2.5]), record("grace@x.org", [3.0])]
    column = "Assignment: Lab (Real)"
    said, filled = moodle(fill, given, GRADES, column)
    assert filled.decode() == GRADES.replace('"-","-"', '"2,5","-"').replace('"3,50"', '"3"', 1)
    assert said == []
    # Zeros at the front of an identifier count.
    assert b'"0101","ada@x.org","7"' in moodle(fill, [record("0101")], GRADES, column)[1]
    with pytest.raises(ValueError, match="no student graded here"):
        moodle(fill, [record("101")], GRADES, column)
    text = GRADES.replace("3,50", "3.50")
    assert b'"ada@x.org","2.5"' in moodle(fill, given, text, column)[1]


def test_a_site_in_another_language(fill):
    text = "ID-Nummer;Vollständiger Name;Bewertung\n7;Ada;\n"
    with pytest.raises(ValueError, match="has no column ID number or Email address or"):
        moodle(fill, [record("7")], text, "Bewertung")
    said, filled = moodle(fill, [record("7")], text, "Bewertung", match="ID-Nummer")
    assert (said, filled.decode()) == ([], text.replace("Ada;", "Ada;7"))


def test_a_folder_name_cannot_write_on_the_screen(fill):
    said, _ = canvas(fill, [record("ada1"), record("\x1b[2J\u202e\nx")])
    assert "⟨U+001B⟩[2J⟨U+202E⟩⟨U+000A⟩x" in said[0]
    assert said[0].isprintable()
