"""Pages say what was found out, and do nothing with what a student wrote but show it."""

import base64
import hashlib
import random
import re
import statistics
import unicodedata
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.grading.hand_back import class_report, feedback
from helpers.grading.hand_back.file_names import feedback_name
from helpers.grading.hand_back.pages import WORDS
from helpers.grading.marks import Override
from helpers.grading.records import ExerciseMark, PartMark, Record, Status

EMPTY = {"meta", "rect", "br"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "section", "article", "div", "p"),
    *("h1", "h2", "h3", "ul", "li", "span", "strong", "code", "bdi", "q", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "text"),
}


class Page(HTMLParser):
    """Reads a page as a browser would: elements, attributes, links, text."""

    def __init__(self, text):
        super().__init__()
        self.source, self.tags, self.inside, self.parts, self.links = text, [], [], [], {}
        self.feed(text)
        self.close()
        assert self.inside == []
        self.text = " ".join("".join(self.parts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.parts.append(" ")
        if tag not in EMPTY:
            self.inside.append(tag)
        if tag == "a":
            self.link = dict(attributes)["href"]

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.inside.pop() == tag  # every element is closed, in order
        self.parts.append(" ")

    def handle_data(self, data):
        if "style" not in self.inside:
            self.parts.append(data)
        if "a" in self.inside:
            self.links[self.link] = data

    def section(self, heading, following):
        """The text between two headings."""
        return self.text.split(heading, 1)[1].split(following, 1)[0]


def mark(exercise="halves", points=(2, 0), status="wrong", outcome="graded", **more):
    parts = tuple(PartMark(f"part {n}", float(p), 2 + n) for n, p in enumerate(points))
    words = {"number": "1.1", "title": f"Title {exercise}", "signature": f"{exercise}(x, y)"}
    return ExerciseMark(
        exercise,
        parts=parts,
        status=status,
        outcome=outcome,
        **words | {"reason": "Nearly."} | more,
    )


def record(student="ada", lesson="01_theory", exercises=None, **more):
    exercises = (mark(),) if exercises is None else exercises
    about = {"file": f"{student}/n.ipynb", "sandbox": "bubblewrap", "mode": "fast"}
    about |= {"versions": {"torch": "2.13.0", "python": "3.11"}}
    return Record(student, lesson, sha256="ab", exercises=tuple(exercises), **about | more)


def page(tmp_path, records, overrides=None, student=None):
    records = records if isinstance(records, list) else [records]
    feedback.write(tmp_path, records, overrides or {})
    path = tmp_path / "feedback" / feedback_name(student or records[0].student)
    return Page(path.read_text(encoding="utf-8"))


def report(tmp_path, records, overrides=None, infos=()):
    class_report.write(tmp_path, records, overrides or {}, infos)
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


# -- Names of files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "student",
    [
        *("ada", "s1234567", "ada.l@x.org", "ada-lovelace_2", "josé", "Ada Lovelace"),
        *(
            "José García",
            "Jean-Luc Picard",
            "Müller, Jürgen",
            "Łukasz O'Neil",
            "محمد علي",
            "陳大文",
        ),
    ],
)
def test_an_ordinary_name_is_kept(student):
    assert feedback_name(student) == f"{student}.html"


@pytest.mark.parametrize("student", ["Ada", "Ludwig van Beethoven", "McDonald", "ADA LOVELACE"])
def test_a_name_with_other_capitals_can_still_be_read(student):
    assert re.fullmatch(re.escape(student) + r"~[0-9a-f]{10}\.html", feedback_name(student))


# Each line: names that some system takes for one and the same file.
SAME = [
    ["ada lovelace", "Ada Lovelace", "ADA LOVELACE", "aDA lOVELACE", "Ada LOVELACE"],
    ["ada", "Ada", "ADA"],
    ["José", "Jose\u0301", "JOSÉ", "JOSE\u0301", "josé", "jose\u0301"],
    ["straße", "STRASSE", "strasse", "STRAẞE", "Straße"],
    ["i", "I", "İ", "ı"],  # noqa: RUF001
    ["ﬁ", "fi", "FI"],
    ["σς", "σσ", "ΣΣ"],  # noqa: RUF001
    ["\N{KELVIN SIGN}", "k", "K"],
    ["Å", "\N{ANGSTROM SIGN}", "A\u030a"],
]
NASTY = [
    *("", ".", "..", "...", " ", "a ", "a", "a.", " a", ".a", "-a", "../a", "..\\a", "/etc/passwd"),
    *("con", "CON", "con.txt", "Con .x", "nul", "com1", "com¹", "lpt9.tar.gz", "conin$", "aux "),
    *("a:b", "a<b", 'a"b', "a|b", "a?b", "a*b", "a%2Fb", "a/b", "a_b", "a~b", "a#b", "a\0b"),
    *("a\nb", "a\u202eb", "a\udcffb", "a\udcfeb", "😀", "x" * 195, "x" * 196, "x" * 300),
    *("x" * 299 + "y", "é" * 100, "é" * 97, "e\u0301" * 60, "a~99a563ab2f", "Ada~99a563ab2f"),
    *("ada.html", "<script>", "a&b", "a\u200db", "a;b", "a\tb"),
]


def folds(name):
    """A file's name as several systems compare it."""
    kelvin = unicodedata.normalize("NFD", name)
    return {
        "linux": name,
        "macos": unicodedata.normalize("NFD", kelvin.casefold()),
        "upper": unicodedata.normalize("NFC", name).upper(),
        "lower": unicodedata.normalize("NFKC", name).lower(),
        "windows": name.upper().rstrip(" ."),
    }


def is_safe(name):
    stem = name.split(".")[0].casefold()
    reserved = {"con", "prn", "aux", "nul", "conin$", "conout$"}
    reserved |= {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"}
    return (
        name.endswith(".html")
        and len(name.encode("utf-8")) <= 200
        and not set('<>:"/\\|?*%#') & set(name)
        and not any(unicodedata.category(letter)[0] in "CZ" for letter in name.replace(" ", ""))
        and name == name.strip()
        and name[0] not in ".-"
        and stem.strip() not in reserved
        and stem != ""
    )


def test_different_students_get_different_files_on_every_system():
    students = [*NASTY, *(name for names in SAME for name in names)]
    students = list(dict.fromkeys(students))
    names = [feedback_name(student) for student in students]
    for system in folds(""):
        seen = Counter(folds(name)[system] for name in names)
        assert [name for name, count in seen.items() if count > 1] == []
    assert [name for name in names if not is_safe(name)] == []


@pytest.mark.parametrize(
    "name",
    ["a/b.html", "con.html", "con.x.html", ".html", "..html", "a?.html", "x" * 200 + ".html"],
)
def test_a_name_that_is_not_safe_is_seen(name):
    assert is_safe("ada.html")
    assert not is_safe(name)


@given(st.lists(st.text(st.characters(), max_size=12), min_size=2, max_size=6, unique=True))
def test_any_names_are_safe_and_apart(students):
    names = [feedback_name(student) for student in students]
    assert all(map(is_safe, names))
    for system in folds(""):
        assert len({folds(name)[system] for name in names}) == len(names)


# -- What a page may do ------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title></style></bdi></p><a href='javascript:alert(1)'>x</a>",
    "{{ 7 * 7 }}{% raw %}<!-- ]]>",
    "&lt;b&gt;&#60;i&#62;",
]


def everywhere(text, name="ada"):
    """A class in which a student wrote a text wherever there is room for one."""
    strange = mark(
        text, reason=text, title=text, signature=text, misconception=text, cpu_seconds=1.0
    )
    strange = replace(strange, parts=(PartMark(text, 1.0, 2), PartMark(f"{text} ", 0.0, 3)))
    second = replace(strange, exercise=f"{text}2", outcome="needs a person")
    third = replace(strange, exercise=f"{text}3", outcome="grader failed", status="grader failed")
    one = record(name, exercises=[strange, second, third], file=text, notes=(text,), sandbox=text)
    one = replace(one, mode=text, versions={text: text})
    return [one], {(name, text): Override(name, text, 1.0, text)}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name_too", [False, True])
def test_what_a_student_wrote_is_text(tmp_path, text, name_too):
    """Markup makes no element and no attribute: the page is built as with any other words."""
    built = []
    for words in (text, "plain words"):
        records, overrides = everywhere(words, words if name_too else "ada")
        pages = [page(tmp_path, records, overrides), report(tmp_path, records, overrides, [words])]
        built.append([[(tag, set(given)) for tag, given in one.tags] for one in pages])
        for one, times in zip(pages, (7, 7), strict=True):
            assert one.text.count(" ".join(words.split())) >= times
    assert built[0] == built[1]


@pytest.mark.parametrize("text", ["a\u202eb", "a\u2066b", "a\x1b[2Jb", "a\u200bb", "a\udcffb"])
def test_what_is_not_seen_is_made_visible(tmp_path, text):
    records, overrides = everywhere(text, text)
    for one in (page(tmp_path, records, overrides), report(tmp_path, records, overrides, [text])):
        assert not [c for c in one.source if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"]
        assert f"a⟨U+{ord(text[1]):04X}⟩" in one.text


def test_a_page_loads_and_runs_nothing(tmp_path):
    records, overrides = everywhere(HOSTILE[0])
    for one in (page(tmp_path, records, overrides), report(tmp_path, records, overrides)):
        assert {tag for tag, _ in one.tags} <= ALLOWED
        names = {name for _, attributes in one.tags for name in attributes}
        assert not {n for n in names if n.startswith("on")} | names & {"src", "style", "srcdoc"}
        assert all(re.fullmatch(r"feedback/[^:/]+\.html", link) for link in one.links)
        (policy,) = [a["content"] for tag, a in one.tags if "http-equiv" in a]
        style = re.search(r"<style>(.*?)</style>", one.source, re.DOTALL)[1]
        allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert policy == (
            f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
        )
        assert "url(" not in style
        assert "@import" not in style


# -- The page of a student ---------------------------------------------------------------


def test_a_page_says_what_was_asked_and_what_it_earned(tmp_path):
    two = [
        record("ada", "01_theory", [mark("halves", (2, 1.5), reason="Half.\n Mind the sign.")]),
        record("ada", "02_more", [mark("thirds", (2, 3), "correct")], notes=("Twice there.",)),
        record("bob", "01_theory", [mark("halves", (0, 0), reason="Bob's secret")]),
    ]
    one = page(tmp_path, two)
    for words in (
        *("ada", "8.5 of 10 points", "Lesson 01_theory 3.5 of 5", "Lesson 02_more 5 of 5"),
        *("1.1 Title halves 3.5 of 5 halves(x, y) Partly right Half. Mind the sign.",),
        *("part 0 2 of 2 part 1 1.5 of 3", "thirds(x, y) Correct", "Twice there.", "ada/n.ipynb"),
        "If you think this is wrong, tell your instructor the lesson and the exercise.",
    ):
        assert words in one.text
    assert "Bob" not in one.text
    assert {path.name for path in (tmp_path / "feedback").iterdir()} == {"ada.html", "bob.html"}


@pytest.mark.parametrize("status", get_args(Status))
def test_every_status_is_said_in_words(tmp_path, status):
    said = page(tmp_path, record(exercises=[mark(points=(0, 0), status=status)])).text
    other = page(tmp_path, record(exercises=[mark(points=(0, 0), status="correct")])).text
    assert (said == other) == (status == "correct")
    looked = mark(points=(0, 0), status=status, outcome="needs a person")
    assert "Your instructor will look" in page(tmp_path, record(exercises=[looked])).text
    assert "Your instructor will look" not in said


def test_a_failed_grader_takes_no_points(tmp_path):
    failed = mark("thirds", (2, 0), "grader failed", "grader failed")
    one = page(tmp_path, record(exercises=[mark(), failed]))
    assert "2 of 10 points so far 5 points of these could not be graded yet." in one.text
    assert "Title thirds – of 5 thirds(x, y) Not graded yet: the grader failed" in one.text  # noqa: RUF001
    assert "so far" not in page(tmp_path, record(exercises=[mark(), mark("thirds")])).text


def test_an_override_stands_beside_the_automatic_mark(tmp_path):
    given = [record(exercises=[mark(reason="The sign is wrong."), mark("thirds")])]
    by_hand = {("ada", "halves"): Override("ada", "halves", 4.5, "The idea is <right>.")}
    one = page(tmp_path, given, by_hand)
    assert "6.5 of 10 points" in one.text
    assert (
        "Title halves 4.5 of 5 halves(x, y) Marked by your instructor Your instructor says:"
        " The idea is <right>. The automatic mark was 2 of 5: Partly right The sign is wrong."
    ) in one.text
    assert one.text.count("Marked by your instructor") == 1
    assert "The automatic mark" not in page(tmp_path, given).text


def test_a_page_is_written_only_when_it_changes(tmp_path):
    given = [record("ada"), record("bob")]
    page(tmp_path, given)
    folder = tmp_path / "feedback"
    (folder / "old.html").write_text("mine")
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    page(tmp_path, given)
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before
    page(tmp_path, [given[0], record("bob", exercises=[mark(reason="Other.")])])
    after = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"bob.html"}
    assert (folder / "old.html").read_text() == "mine"


# -- The report --------------------------------------------------------------------------


def classroom(count, seed=0):
    """A class with all statuses, drawn at random."""
    draw = random.Random(seed)
    statuses = [status for status in get_args(Status) if status not in ("by hand", "not handed in")]
    records = []
    for n in range(count):
        for lesson, names in {"01_a": ("f1", "f2"), "02_b": ("f3",)}.items():
            there = draw.random() < 0.8
            marks = []
            for place, name in enumerate(names):
                status = draw.choice(statuses) if there else "not handed in"
                points = (2, 3) if status == "correct" else (0, 0)
                if status == "wrong":
                    points = draw.choice([(2, 0), (0, 3), (0, 0)])
                outcome = "grader failed" if status == "grader failed" else "graded"
                if status == "broke the protocol":
                    outcome = "needs a person"
                misconception = (
                    draw.choice(["misconception a", "misconception b", None])
                    if status == "wrong"
                    else None
                )
                marks.append(
                    mark(
                        *(name, points, status, outcome),
                        number=f"{lesson[1]}.{place + 1}",
                        misconception=misconception,
                        hint=f"Hint of {misconception}." if misconception else "",
                        reason=f"It was {status}.",
                        cpu_seconds=draw.random() * 9 if there else 0.0,
                    )
                )
            about = {} if there else {"file": "", "sandbox": "", "mode": "", "versions": {}}
            records.append(record(f"student {n:03d}", lesson, marks, **about))
    return records


@pytest.mark.parametrize("count", [1, 30, 300])
def test_the_report_counts_what_there_is(tmp_path, count):
    records = classroom(count)
    one = report(tmp_path, records)
    feedback.write(tmp_path, records, {})
    pages = {path.name for path in (tmp_path / "feedback").iterdir()}
    assert {unquote(link).removeprefix("feedback/") for link in one.links} == pages
    assert len(pages) == count
    there = sum(bool(r.file) for r in records)
    students = "1 student" if count == 1 else f"{count} students"
    assert f"{students}, 2 lessons; {there} of {2 * count} notebooks handed in." in one.text
    for name in ("f1", "f2", "f3"):
        marks = [m for r in records for m in r.exercises if m.exercise == name]
        counted = [m for m in marks if m.status not in ("not handed in", "grader failed")]
        if not counted:
            assert f"Title {name} {name} no marks" in one.text
            continue
        mean = statistics.fmean(m.points for m in counted)
        shown = re.search(rf"Title {name} {name} mean ([\d.]+) of 5", one.text)
        assert float(shown[1]) == pytest.approx(mean, abs=0.0051)
        first = statistics.fmean(m.parts[0].points for m in counted)
        text = one.text[shown.end() :]
        assert float(re.search(r"part 0 ([\d.]+) of 2", text)[1]) == pytest.approx(
            first, abs=0.0051
        )
        alt = "; ".join(
            f"{points:g} point{'s' * (points != 1)}: {n} student{'s' * (n != 1)}"
            for points, n in sorted(Counter(m.points for m in counted).items())
        )
        assert alt in [a["aria-label"] for tag, a in one.tags if "aria-label" in a and tag == "svg"]


def test_first_comes_what_needs_a_person(tmp_path):
    records = classroom(30)
    one = report(tmp_path, records, infos=["A sentence about the gradebook."])
    headings = ["A person must look", "The grader failed", "Lesson 01_a", "Lesson 02_b"]
    headings += ["How the exercises ended", "Not handed in", "Students", "Slowest notebooks"]
    places = [one.text.index(heading) for heading in headings]
    assert places == sorted(places)
    assert one.text.index("A sentence about") < places[0]
    for outcome, heading, following in [
        ("needs a person", *headings[:2]),
        ("grader failed", *headings[1:3]),
    ]:
        got = one.section(heading, following)
        due = [(r.student, m) for r in records for m in r.exercises if m.outcome == outcome]
        assert len(due) > 3
        assert re.findall(r"student \d+", got) == sorted(student for student, _ in due)
        assert got.count(due[0][1].reason) == len(due)
    quiet = report(tmp_path, [record()])
    assert "A person must look" not in quiet.text
    assert "No mark needs a person" in quiet.text
    # What was set by hand needs nobody any more.
    look = [record(exercises=[mark(outcome="needs a person")])]
    assert "A person must look" in report(tmp_path, look).text
    by_hand = {("ada", "halves"): Override("ada", "halves", 3, "Seen.")}
    assert "A person must look" not in report(tmp_path, look, by_hand).text


def test_misconceptions_come_with_their_counts_and_hints(tmp_path):
    records = classroom(40)
    one = report(tmp_path, records)
    for name, following in (("f1", "Title f2"), ("f2", "Lesson 02_b"), ("f3", "How the")):
        misconceptions = Counter(
            m.misconception for r in records for m in r.exercises if m.exercise == name
        )
        del misconceptions[None]
        found = re.findall(
            r"(\d+)\s\S (misconception .) Hint of (misconception .)\.",
            one.section(f"Title {name}", following),
        )
        assert {misconception: int(count) for count, misconception, _ in found} == misconceptions
        assert all(misconception == hint for _, misconception, hint in found)
        assert [int(count) for count, *_ in found] == sorted(misconceptions.values(), reverse=True)
    drawn = [3, 0, 3, 1, 4, 4, 4, 2, 1, 3]
    few = [mark(misconception=f"misconception {n}", hint=f"Hint {n}.") for n in drawn]
    many = [record(f"s{n}", exercises=[m]) for n, m in enumerate(few)]
    assert re.findall(r"(\d)\s\S misconception \d Hint (\d)", report(tmp_path, many).text) == [
        *(("3", "3"), ("3", "4"), ("2", "1"))
    ]


def test_the_table_of_endings_adds_up(tmp_path):
    records = classroom(40)
    got = report(tmp_path, records).section("How the exercises ended", "Not handed in")
    counts = Counter((m.exercise, m.status) for r in records for m in r.exercises)
    for name in ("f1", "f2", "f3"):
        row = re.search(rf"\d\.\d {name}((?: \d+(?!\S))+)", got)[1].split()
        statuses = [s for s in WORDS if any(key[1] == s for key in counts)]
        assert [int(n) for n in row] == [counts[name, status] for status in statuses]
        assert sum(map(int, row)) == 40
    assert all(status in got for _, status in counts)


def test_the_report_says_what_ran_where(tmp_path):
    three = [record(), record("bob"), record("eve", sandbox="landlock"), record("x", sandbox="")]
    one = report(tmp_path, three)
    assert "and limits (2 notebooks); Landlock, a system-call filter" in one.text
    assert "without bubblewrap (1 notebook). Mode: fast." in one.text
    assert "Versions: python 3.11, torch 2.13.0." in one.text
    assert "Sandbox: bubblewrap, and behind it" in report(tmp_path, three[:2]).text


def test_overrides_and_absences_are_listed(tmp_path):
    nothing = mark(points=(0, 0), status="not handed in")
    records = [
        record("ada", "01_a"),
        record("ada", "02_b", [replace(nothing, exercise="g")], file=""),
        record("bob", "01_a", [nothing], file=""),
        record(
            "eve", "01_a", [mark(points=(0, 0), status="grader failed", outcome="grader failed")]
        ),
    ]
    by_hand = {
        ("ada", "halves"): Override("ada", "halves", 4, "Good."),
        ("bob", "halves"): Override("bob", "halves", 3, "On paper."),
        ("eve", "halves"): Override("eve", "halves", 1, "Late."),
    }
    one = report(tmp_path, records, by_hand)
    got = one.section("Set by hand", "Not handed in")
    assert "ada 1.1 halves 2 of 5, wrong 4 of 5 Good." in got
    assert "bob 1.1 halves 0 of 5, not handed in 3 of 5 On paper." in got
    assert "eve 1.1 halves – of 5, grader failed 1 of 5 Late." in got  # noqa: RUF001
    assert one.section("Not handed in", "Students") == " ada 02_b bob no notebook at all "
    assert "Set by hand" not in report(tmp_path, records).text
    totals = one.section("Students", "nothing follows")
    assert "Total ada 4 0 4 bob 3 – 3 eve 1 – 1" in totals  # noqa: RUF001


def test_only_lines_of_times_depend_on_times(tmp_path):
    def lines(records):
        random.Random(len(records[0].time)).shuffle(records)
        text = report(tmp_path, records).source.splitlines()
        feedback.write(tmp_path, records, {})
        pages = {path.name: path.read_text() for path in (tmp_path / "feedback").iterdir()}
        return (
            [line for line in text if 'class="time"' in line],
            [line for line in text if 'class="time"' not in line],
            pages,
        )

    def later(records):
        return [
            replace(
                r,
                time="2026-01-01",
                exercises=tuple(
                    replace(m, cpu_seconds=m.cpu_seconds * (1 + n % 7), wall_seconds=n)
                    for m in r.exercises
                ),
            )
            for n, r in enumerate(records)
        ]

    times, rest, pages = lines(classroom(40))
    other_times, other_rest, other_pages = lines(later(classroom(40)))
    assert (rest, pages) == (other_rest, other_pages)
    assert times != other_times
    assert len(times) == len(other_times) == 10
    assert lines(classroom(40, seed=1))[1] != rest


def test_the_slowest_come_first(tmp_path):
    records = [
        record(f"s{n}", exercises=[mark(cpu_seconds=float(n)), mark("thirds", cpu_seconds=0.5)])
        for n in range(15)
    ]
    got = report(tmp_path, records).section("Slowest notebooks", "nothing follows")
    assert re.findall(r"(s\d+) 01_theory ([\d.]+)", got) == [
        (f"s{n}", f"{n + 0.5}") for n in range(14, 4, -1)
    ]
    assert "Slowest" not in report(tmp_path, [record()]).text


def test_a_notebook_graded_twice_is_refused(tmp_path):
    for how in (feedback.write, class_report.write):
        with pytest.raises(ValueError, match="lesson 01_theory of ada is there twice"):
            how(tmp_path, [record(), record()], {})
