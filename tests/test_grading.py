"""Grading a class: stopped and resumed, fair, in a sandbox, with the grader's own faults told."""

import csv
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import classroom
import nbformat
import numpy as np
import psutil
import pytest
import torch
from classroom import EXERCISE, HONEST, HOSTILE
from click.testing import CliRunner
from test_grading_class import LESSONS, LIMITS, needs, wrong

from helpers import cli, exercises, files, lessons
from helpers.exercises.specification import Exercise, Misconception, Part
from helpers.exercises.values import ModelProbe
from helpers.grading import grade as grading
from helpers.grading import judge, running, secret
from helpers.grading.grade import GradingJob, grade
from helpers.grading.records import Record
from helpers.grading.sandbox import (
    bubblewrap,
    frames,
    library,
    limits,
    supervisor,
    tiers,
    usage,
)
from helpers.grading.sandbox.client import GraderError, Sandbox, Worker
from helpers.grading.sandbox.messages import End

SETUP = "import torch\nfrom torch import nn\n"
SECRET = b"a secret of this test, 32 letters"
RIGHT = """
def sigmoid_chain_grad(x, depth):
    slope = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        slope = slope * x * (1 - x)
    return slope
"""
TIERS = ("bubblewrap", "landlock")


def named(*names):
    chosen = [case for case in (*HONEST, *HOSTILE) if case.name in names]
    assert len(chosen) == len(names)
    return chosen


def job(folder, tier="landlock", **changes):
    made = GradingJob(folder / "submissions", folder / "marks", LESSONS, folder / "secret")
    return replace(made, **{"tier": tier, "limits": LIMITS, **changes})


def of_exercise(result):
    return {
        record.student: next(mark for mark in record.exercises if mark.exercise == EXERCISE)
        for record in result.records
    }


def answered(folder, **answers):
    """Write a class in which each student has that answer to the exercise."""
    for student, answer in answers.items():
        own = folder / "submissions" / student
        own.mkdir(parents=True)
        book = classroom.notebook(answer)
        (own / "01_theory.ipynb").write_text(json.dumps(book), encoding="utf-8")


def results(folder):
    """Read all that was written, without times and without the places of files."""
    read = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            if path.suffix in (".json", ".jsonl"):
                text = re.sub(r'"(cpu_seconds|wall_seconds)": [0-9.e-]+', "", text)
                text = re.sub(r'"time": "[^"]*"', "", text)
            lines = [line for line in text.splitlines() if 'class="time"' not in line]
            read[str(path.relative_to(folder))] = lines
    return read


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The students' library, where the grader puts it: all users may read it there."""
    out = tmp_path_factory.mktemp("out")
    folder = library.make_folder(out)
    library.write(folder)
    yield folder
    library.remove_folder(out, folder)


@pytest.fixture(scope="module")
def server(course):
    """A function from a tier to its running server, which is started when it is first wanted."""
    started = {}
    with ExitStack() as stack:

        def of(tier):
            if tier not in started:
                started[tier] = stack.enter_context(Sandbox(tier, course))
            return started[tier]

        yield of


@pytest.fixture(scope="module", params=TIERS)
def sandbox(request, server):
    needs(request.param)
    return server(request.param)


class SharedSandbox(Sandbox):
    """A running server, which stays when it is given back."""

    def __init__(self, running):
        vars(self).update(vars(running))

    def close(self):
        pass


@contextmanager
def sharing(server):
    """Grade with the servers that run already: where what comes before and after is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "Sandbox", lambda tier, folder: SharedSandbox(server(tier)))
        yield


@pytest.fixture
def shared(server):
    with sharing(server):
        yield


def judged(exercise, answer, sandbox, within=LIMITS):
    return judge.judged(exercise, [answer], SETUP, SECRET, sandbox, within)


# ---- Every exercise --------------------------------------------------------------------


def test_every_exercise_of_every_lesson_is_graded_from_its_specification(tmp_path, shared):
    needs("landlock")
    for source in lessons.source_files():
        for student, view in (("worked", lessons.worked_view), ("stubs", lessons.learner_view)):
            own = tmp_path / "submissions" / student
            own.mkdir(parents=True, exist_ok=True)
            nbformat.write(view(source), own / f"{source.stem}.ipynb")
    # Nothing here is about limits, and a busy machine needs more processor time for the same.
    within = limits.Limits(cpu_seconds=60)
    result = grade(job(tmp_path, lessons=lessons.paths(), limits=within))
    given = {"worked": {}, "stubs": {}}
    for record in result.records:
        given[record.student] |= {mark.exercise: mark for mark in record.exercises}
    for name, exercise in exercises.ALL.items():
        worked, stub = given["worked"][name], given["stubs"][name]
        assert (worked.status, worked.points) == ("correct", exercise.rubric.points), worked
        assert (stub.status, stub.points) == ("not attempted", 0)
        assert [(part.name, part.of) for part in worked.parts] == list(exercise.rubric.parts)


# ---- The two modes ---------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS)
def test_a_fresh_sandbox_an_exercise_gives_the_marks_of_the_fast_mode(tier, tmp_path, server):
    needs(tier)
    cases = named("honest_plots", "honest_syntax_error", "hostile_answers_twice")
    cases += [*classroom.neighbours(), *named("hostile_exit_at_once_in_the_call")]
    classroom.write_class(tmp_path / "submissions", cases)
    seen = []
    for fresh in (False, True):
        with nullcontext() if fresh else sharing(server):
            result = grade(job(tmp_path, tier, fresh=fresh, out=tmp_path / f"marks_{fresh}"))
        assert wrong(cases, of_exercise(result)) == []
        assert {record.mode for record in result.records} == {"fresh" if fresh else "fast"}
        seen.append((tmp_path / f"marks_{fresh}" / "marks.csv").read_bytes())
    assert seen[0] == seen[1]


# ---- Stopped, and started again --------------------------------------------------------


# The command, with the limits that are in force in these tests.
COMMAND = f"""
from functools import partial
from helpers.cli import main
from helpers.grading import grade
from helpers.grading.sandbox.limits import Limits
grade.GradingJob = partial(grade.GradingJob, limits={LIMITS!r})
main()
"""


def arguments(folder, *options, tier="landlock"):
    names = ["--lesson", "01", "--secret", str(folder / "secret"), "--sandbox", tier]
    where = [str(folder / "submissions"), "--out", str(folder / "marks")]
    return ["grade", *where, *names, *options]


def command(folder, *options, tier="landlock"):
    return [sys.executable, "-c", COMMAND, *arguments(folder, *options, tier=tier)]


def descendants(process):
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("tier", TIERS)
def test_a_grader_that_was_killed_goes_on_where_it_was(tier, tmp_path, shared):
    needs(tier)
    cases = [*HONEST[:16], *named("hostile_cpu_loop_in_the_call")]
    classroom.write_class(tmp_path / "submissions", cases)
    records = tmp_path / "marks" / "records"
    process = subprocess.Popen(
        command(tmp_path, tier=tier), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 600  # only a hung grader takes so long
    while len(list(records.glob("*.json"))) < 5:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    family = descendants(process)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=300)
    assert family
    assert not alive
    kept = {path.name: path.read_bytes() for path in records.glob("*.json")}
    assert 5 <= len(kept) < len(cases)
    assert not (tmp_path / "marks" / "marks.csv").exists()
    left = Path((tmp_path / "marks" / ".library").read_text())
    assert left.exists()

    done = subprocess.run(command(tmp_path, tier=tier), capture_output=True, text=True, check=True)
    assert f"{len(kept)} of them graded before" in done.stdout
    now = {path.name: path.read_bytes() for path in records.glob("*.json")}
    assert {name: now[name] for name in kept} == kept
    assert not left.exists()
    assert len(now) > len(kept)

    (tmp_path / "marks").rename(tmp_path / "resumed")
    grade(job(tmp_path, tier))
    undisturbed = results(tmp_path / "marks")
    assert results(tmp_path / "resumed") == undisturbed
    assert {"marks.csv", "marks.jsonl", "report.html"} < set(undisturbed)
    # Byte for byte, where there are no times.
    for path in [Path("marks.csv"), *Path("feedback").glob("*")]:
        resumed = (tmp_path / "resumed" / path).read_bytes()
        assert resumed == (tmp_path / "marks" / path).read_bytes()


def test_the_comparison_of_results_sees_a_changed_mark(tmp_path):
    for name, points in (("one", 2), ("two", 3)):
        (tmp_path / name).mkdir()
        text = json.dumps({"points": points, "time": name, "cpu_seconds": points / 3})
        (tmp_path / name / "marks.jsonl").write_text(text)
    assert results(tmp_path / "one") != results(tmp_path / "two")


def test_a_second_run_grades_nothing_twice_and_a_changed_notebook_again(tmp_path, shared):
    needs("landlock")
    answered(tmp_path, ada=RIGHT, ben="def sigmoid_chain_grad(x, depth): return x")
    grade(job(tmp_path))
    again = grade(job(tmp_path))
    assert again.kept == 2
    book = classroom.notebook(RIGHT)
    (tmp_path / "submissions" / "ben" / "01_theory.ipynb").write_text(json.dumps(book))
    later = grade(job(tmp_path))
    assert later.kept == 1
    assert of_exercise(later)["ben"].points == 5


def test_a_damaged_record_is_graded_again(tmp_path, shared):
    needs("landlock")
    answered(tmp_path, ada=RIGHT)
    grade(job(tmp_path))
    (record,) = (tmp_path / "marks" / "records").glob("*.json")
    record.write_text(record.read_text()[:100])
    result = grade(job(tmp_path))
    assert result.kept == 0
    assert of_exercise(result)["ada"].points == 5


def test_two_graders_in_one_folder(tmp_path):
    answered(tmp_path, ada=RIGHT)
    (tmp_path / "marks").mkdir()
    with files.held(tmp_path / "marks"):
        done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "in use by another process" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_keeps_what_was_graded(tmp_path):
    needs("landlock")
    classroom.write_class(tmp_path / "submissions", HONEST[:24])
    process = subprocess.Popen(command(tmp_path), stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 600  # only a hung grader takes so long
    while not list((tmp_path / "marks").glob("records/*.json")):
        assert time.monotonic() < until
        time.sleep(0.01)
    family = descendants(process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not psutil.wait_procs(family, timeout=300)[1]


def test_a_full_disk(tmp_path, monkeypatch, shared):
    needs("landlock")
    answered(tmp_path, ada=RIGHT, ben=RIGHT, cleo=RIGHT)
    write, count = files.write, 0

    def full(path, content):
        nonlocal count
        count += "records" in path.parts
        if count > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(files, "write", full)
    with pytest.raises(ValueError, match="No space left on device; what has been graded is kept"):
        grade(job(tmp_path, workers=1))
    monkeypatch.undo()
    result = grade(job(tmp_path))
    assert result.kept == 1
    assert {mark.points for mark in of_exercise(result).values()} == {5}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_really_full(tmp_path):
    needs("landlock")
    out = tmp_path / "marks"
    out.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k,nr_inodes=100", "tmpfs", str(out)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        answered(tmp_path, **{f"student_{number}": RIGHT for number in range(8)})
        done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        left = [path.name for path in out.rglob("*") if path.is_file() and path.name != ".lock"]
        assert not [name for name in left if not re.fullmatch(r"[0-9a-f]{32}\.json", name)]
        for path in out.glob("records/*.json"):
            json.loads(path.read_text())
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_folders_with_odd_names(tmp_path, shared):
    needs("landlock")
    names = ["Zoë Müller, B.", "..\\..\\evil", "=cmd|' C calc'!A0", "-rf", "ada", "ADA", "a" * 200]
    answered(tmp_path, **dict.fromkeys(names, RIGHT))
    before = {path.name for path in tmp_path.iterdir()}
    result = grade(job(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} - before == {"marks", "secret"}
    assert {student: mark.points for student, mark in of_exercise(result).items()} == dict.fromkeys(
        names, 5
    )
    assert len(list((tmp_path / "marks" / "feedback").glob("*.html"))) == len(names)
    with (tmp_path / "marks" / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        students = {row["student"] for row in csv.DictReader(file)}
    assert len(students) == len(names)
    assert not [name for name in students if name.startswith(("=", "-", "+", "@"))]


# ---- Fair ------------------------------------------------------------------------------


def test_the_same_answer_is_asked_the_same_questions_and_no_secret_other_ones():
    def drawn(key, exercise, cells):
        return secret.generator(key, exercise, cells).random()

    first = drawn(SECRET, EXERCISE, [RIGHT])
    assert drawn(SECRET, EXERCISE, [RIGHT]) == first
    assert drawn(SECRET + b"!", EXERCISE, [RIGHT]) != first
    assert drawn(SECRET, "layers_until", [RIGHT]) != first
    assert drawn(SECRET, EXERCISE, [RIGHT + " "]) != first
    assert drawn(SECRET, EXERCISE, [RIGHT, ""]) != first


def test_identical_submissions_get_identical_marks_on_a_busy_machine(tmp_path, shared):
    needs("landlock")
    # About half of the processor time that is allowed, in every call.
    slow = "import time\n" + RIGHT.replace(
        "    slope =",
        "    end = time.process_time() + 0.05\n"
        "    while time.process_time() < end:\n        pass\n    slope =",
        1,
    )
    answered(tmp_path, **{f"student_{number}": slow for number in range(4)})
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        given = of_exercise(grade(job(tmp_path)))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert len({(mark.points, mark.status, mark.reason) for mark in given.values()}) == 1
    assert given["student_0"].points == 5


def test_what_ran_out_of_time_is_tried_once_more_alone(tmp_path, monkeypatch, shared):
    needs("landlock")
    answers = {f"student_{number}": RIGHT for number in range(4)}
    answered(tmp_path, **answers, late=RIGHT + "# late", never=RIGHT + "# never")
    real, running, tries = judge.judged, [], {"late": 0, "never": 0}
    lock = threading.Lock()

    def watched(exercise, cells, *rest):
        who = next((name for name in tries if f"# {name}" in cells[0]), "")
        with lock:
            running.append(who)
            together = len(running)
        try:
            mark = real(exercise, cells, *rest)
        finally:
            with lock:
                running.remove(who)
        if who:
            tries[who] += 1
            assert tries[who] == 1 or together == 1
            if tries[who] == 1 or who == "never":
                return replace(mark, status="timed out", parts=())
        return mark

    monkeypatch.setattr(judge, "judged", watched)
    given = of_exercise(grade(job(tmp_path)))
    assert tries == {"late": 2, "never": 2}
    assert given["late"].points == 5
    assert given["never"].status == "timed out"


SLEEPS = "import time\ndef sigmoid_chain_grad(x, depth): time.sleep(3600)\n"
WAITS = replace(LIMITS, wall_seconds=2)


def test_what_only_waited_is_tried_again_side_by_side(tmp_path, monkeypatch, shared):
    needs("landlock")
    count = 8
    answered(tmp_path, **{f"sleeper_{number}": f"{SLEEPS}# {number}" for number in range(count)})
    answered(tmp_path, ada=RIGHT)
    real, tries = judge.judged, Counter()
    together = threading.Barrier(count)

    def watched(exercise, cells, *rest):
        tries[cells[0]] += 1
        if tries[cells[0]] == 2:
            together.wait(timeout=300)  # it breaks unless all of them are being tried
        return real(exercise, cells, *rest)

    monkeypatch.setattr(judge, "judged", watched)
    given = of_exercise(grade(job(tmp_path, limits=WAITS, workers=1)))
    assert given.pop("ada").points == 5
    assert {(mark.status, mark.points) for mark in given.values()} == {("timed out", 0)}
    assert len(given) == count
    assert set(tries.values()) == {1, 2}
    assert len({mark.reason for mark in given.values()}) == 1
    kept = {path.name for path in (tmp_path / "marks" / "records").iterdir()}
    assert len(kept) == count + 1


WAITED = End("wall", cpu_seconds=0.01, memory=1 << 20)
COMPUTED = End("wall", cpu_seconds=1.5, memory=1 << 20)
FULL = End("wall", cpu_seconds=0.01, memory=1 << 30)


@pytest.mark.parametrize(
    ("ends", "alone"),
    [
        ([WAITED, WAITED], [False, False]),
        ([WAITED, COMPUTED, COMPUTED], [False, False, True]),
        ([COMPUTED, COMPUTED], [False, True]),
        ([FULL, FULL], [False, True]),
        ([End("cpu", cpu_seconds=2.0), WAITED], [False, True]),
    ],
    ids=["waits", "waits, then computes", "computes", "holds memory", "computes, then waits"],
)
def test_what_computed_is_alone_before_it_counts(tmp_path, monkeypatch, ends, alone, shared):
    needs("landlock")
    answered(tmp_path, **{f"waits_{number}": f"{RIGHT}# {number}" for number in range(3)})
    answered(tmp_path, one=RIGHT + "# one")
    tried, running, was_alone, lock = Counter(), set(), [], threading.Lock()

    def faked(exercise, cells, setup, key, sandbox, within, patience, ended):
        who, is_one = cells[0], "# one" in cells[0]
        with lock:
            place = tried[who]
            tried[who] += 1
            beside = set(running)
            running.add(who)
        time.sleep(0.2)  # so that what may be side by side is
        with lock:
            running.remove(who)
            beside |= running
        ended(ends[place] if is_one else WAITED)
        if is_one:
            was_alone.append(not beside)
        return judge.unjudged(exercise, "timed out", "too late")

    monkeypatch.setattr(judge, "judged", faked)
    assert of_exercise(grade(job(tmp_path)))["one"].status == "timed out"
    assert len(was_alone) == len(ends)
    must = zip(was_alone, alone, strict=True)
    assert all(was for was, asked in must if asked), was_alone
    assert {count for who, count in tried.items() if "# one" not in who} == {2}


# ---- When our own side fails -----------------------------------------------------------


def test_a_server_that_dies_costs_nobody_a_point(tmp_path, monkeypatch):
    needs("landlock")
    answered(tmp_path, **{f"student_{number}": RIGHT for number in range(6)})
    real, calls = judge.judged, []

    def deadly(exercise, cells, setup, key, sandbox, *rest):
        calls.append(exercise)
        if len(calls) == 3:
            sandbox._server.kill()
            sandbox._server.wait()
        return real(exercise, cells, setup, key, sandbox, *rest)

    monkeypatch.setattr(judge, "judged", deadly)
    result = grade(job(tmp_path))
    failed = [mark.reason for mark in of_exercise(result).values() if mark.points != 5]
    assert failed == []
    assert result.waiting("grader failed") == []


@pytest.mark.parametrize("tier", TIERS)
def test_a_server_that_dies_during_an_answer_is_our_fault(tier, course):
    needs(tier)
    waits = "import time\ndef sigmoid_chain_grad(x, depth): time.sleep(6)"
    with Sandbox(tier, course) as sandbox:
        killer = threading.Timer(1.5, sandbox._server.kill)
        killer.start()
        with pytest.raises(GraderError):
            judged(exercises.ALL[EXERCISE], waits, sandbox)
        killer.join()


def test_a_grader_that_fails_gives_no_mark_and_tries_again_the_next_time(
    tmp_path, monkeypatch, shared
):
    needs("landlock")
    answered(tmp_path, ada=RIGHT, ben=RIGHT + "# unlucky")
    real = judge.judged

    def failing(exercise, cells, *rest):
        if "unlucky" in cells[0]:
            raise GraderError("the worker's supervisor has ended")
        return real(exercise, cells, *rest)

    monkeypatch.setattr(judge, "judged", failing)
    result = grade(job(tmp_path))
    assert [record.student for record in result.waiting("grader failed")] == ["ben"]
    with (tmp_path / "marks" / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["exercise"] == EXERCISE]
    points = {row["student"]: row["points"] for row in rows if row["part"] == "one layer"}
    assert points == {"ada": "2", "ben": ""}
    monkeypatch.undo()
    later = grade(job(tmp_path))
    assert later.kept == 1
    assert of_exercise(later)["ben"].points == 5


def test_a_sandbox_that_does_not_start_is_told_once(tmp_path, monkeypatch):
    answered(tmp_path, ada=RIGHT)
    monkeypatch.setattr(bubblewrap, "command", lambda tier, folder, python: ["false"])
    with pytest.raises(ValueError, match=r"nothing was graded: the sandbox \(landlock\) did not"):
        grade(job(tmp_path))
    assert not (tmp_path / "marks" / "marks.csv").exists()


def test_a_fault_in_our_own_code_costs_one_answer_and_no_points(tmp_path, monkeypatch, shared):
    needs("landlock")
    answered(tmp_path, ada=RIGHT, ben=RIGHT + "# unlucky", cleo=RIGHT)
    real, read = judge.judged, running.read

    def broken(exercise, cells, *rest):
        if "unlucky" in cells[0]:
            raise ZeroDivisionError
        return real(exercise, cells, *rest)

    def confused(found, *rest):
        if found.student == "cleo":
            raise RecursionError
        return read(found, *rest)

    monkeypatch.setattr(judge, "judged", broken)
    monkeypatch.setattr(running, "read", confused)
    given = of_exercise(grade(job(tmp_path)))
    assert given["ada"].points == 5
    assert (given["ben"].status, given["ben"].outcome) == ("grader failed", "grader failed")
    assert (given["cleo"].status, given["cleo"].outcome) == ("unreadable", "needs a person")


def test_without_a_sandbox_nothing_runs(tmp_path, monkeypatch):
    answered(tmp_path, ada=RIGHT)
    trials = [tiers.Trial("bubblewrap", False, "no."), tiers.Trial("landlock", False, "no.")]
    monkeypatch.setattr(tiers, "trials", lambda: [*trials, tiers.Trial("none", True, "")])
    with pytest.raises(ValueError, match="accept that with --allow-weak-sandbox"):
        grade(job(tmp_path, tier=None))
    assert not (tmp_path / "marks").exists()
    with pytest.raises(ValueError, match="the sandbox landlock does not work here: no"):
        grade(job(tmp_path, tier="landlock"))
    result = grade(job(tmp_path, tier=None, allow_weak=True))
    assert of_exercise(result)["ada"].points == 5
    assert {record.sandbox for record in result.records} == {"none"}
    assert "none, only limits" in (tmp_path / "marks" / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"submissions": Path("nowhere")}, "there is no folder nowhere"),
        ({"out": "submissions/marks"}, "the marks may not lie among the submissions"),
        ({"secret": "submissions/secret"}, "the secret may not lie among the submissions"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"out": "file"}, "is a file; name a folder"),
    ],
)
def test_what_cannot_be_graded_is_refused_in_a_sentence(tmp_path, changes, words):
    answered(tmp_path, ada=RIGHT)
    (tmp_path / "file").touch()
    placed = {
        name: tmp_path / value if isinstance(value, str) else value
        for name, value in changes.items()
    }
    with pytest.raises(ValueError, match=words):
        grade(job(tmp_path, **placed))


def test_the_doctor_says_why_bubblewrap_does_not_work(monkeypatch):
    monkeypatch.setattr(tiers.shutil, "which", lambda name: None)
    first = tiers.trials()[0]
    assert not first.works
    assert "apt-get install bubblewrap" in first.why
    monkeypatch.undo()
    monkeypatch.setattr(tiers.shutil, "which", lambda name: "/usr/bin/bwrap")
    refused = "import sys; sys.exit('bwrap: No permissions to create new namespace')"
    monkeypatch.setattr(bubblewrap, "command", lambda *_: [sys.executable, "-c", refused])
    first = tiers.trials()[0]
    assert not first.works
    assert "No permissions to create new namespace" in first.why
    assert "AppArmor" in first.why
    assert tiers.strongest() == next(trial.tier for trial in tiers.trials()[1:] if trial.works)


def test_grading_is_refused_elsewhere_than_on_linux(tmp_path, monkeypatch):
    answered(tmp_path, ada=RIGHT)
    monkeypatch.setattr(grading.sys, "platform", "win32")
    with pytest.raises(ValueError, match="grading needs Linux"):
        grade(job(tmp_path))


# ---- The secret ------------------------------------------------------------------------


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "deep" / "secret"
    key = secret.read(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(key) == 64
    assert secret.read(path) == key
    assert secret.read(tmp_path / "other") != key
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_a_secret_that_others_can_read_or_guess_is_refused(tmp_path):
    path = tmp_path / "secret"
    secret.read(path)
    path.chmod(0o644)
    with pytest.raises(ValueError, match="others may read the secret"):
        secret.read(path)
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(ValueError, match="no secret of 32 characters"):
        secret.read(path)


# ---- Answers beyond numbers, through the sandbox ---------------------------------------


def one_linear(width):
    return torch.nn.Linear(width, width, bias=False)


class Block(torch.nn.Module):
    """x + W x, the reference of an exercise that asks for a model."""

    def __init__(self, width):
        super().__init__()
        self.inner = one_linear(width)

    def forward(self, x):
        return x + self.inner(x)


def weights_and_inputs(rng, module):
    def normal(*shape):
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    shapes = [tuple(parameter.shape) for parameter in module.parameters()]
    width = shapes[0][0]
    return ModelProbe([normal(*shape) for shape in shapes], normal(3, width), normal(3, width))


def never(*_):
    return None


NEVER = tuple(Misconception(name, never, "a hint") for name in ("one", "two", "three"))
MODEL = Exercise(
    name="residual_block",
    number="9.1",
    title="A block with a skip",
    signature="residual_block(width)",
    parts=(Part("a block", 3, lambda rng: [{"width": int(rng.integers(2, 6))} for _ in range(3)]),),
    reference=Block,
    misconceptions=NEVER,
    model_probe=weights_and_inputs,
)
MODULE = """
class Mine(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width, bias=False)
    def forward(self, x):
        return {skip} + self.linear(x)

def residual_block(width):
    return Mine(width)
"""


def test_a_model_is_judged_by_what_it_computes_and_by_its_gradients(sandbox):
    right = judged(MODEL, MODULE.format(skip="x"), sandbox)
    assert (right.points, right.status) == (3, "correct")
    detached = judged(MODEL, MODULE.format(skip="x.detach()"), sandbox)
    assert (detached.points, detached.status) == (0, "wrong")
    assert "input gradient" in detached.reason
    assert judged(MODEL, MODULE.format(skip="2 * x"), sandbox).points == 0
    assert judged(MODEL, "def residual_block(width): return 5", sandbox).points == 0


def normal_start(fan_out, fan_in):
    return np.random.default_rng(5).normal(scale=fan_in**-0.5, size=(fan_out, fan_in))


INITIALISER = Exercise(
    name="start",
    number="9.2",
    title="LeCun's start",
    signature="start(fan_out, fan_in)",
    parts=(Part("a start", 2, lambda rng: [{"fan_out": 60, "fan_in": 50}]),),
    reference=normal_start,
    misconceptions=NEVER,
    compare="statistics",
)
LABELS = Exercise(
    name="predicted",
    number="9.3",
    title="Labels",
    signature="predicted(inputs)",
    parts=(
        Part(
            "unseen inputs",
            2,
            lambda rng: [{"inputs": torch.from_numpy(rng.normal(size=(200, 2)))}],
        ),
    ),
    reference=lambda inputs: (inputs[:, 0] > 0).long(),
    misconceptions=NEVER,
    compare="predictions",
    rtol=0.1,
)


@pytest.mark.parametrize(
    ("exercise", "answer", "points"),
    [
        (INITIALISER, "def start(o, i): return torch.randn(o, i) / i**0.5", 2),
        (INITIALISER, "def start(o, i): return nn.init.normal_(torch.empty(o, i), std=i**-0.5)", 2),
        (INITIALISER, "def start(o, i): return torch.randn(o, i) * (2 / i) ** 0.5", 0),
        (INITIALISER, "def start(o, i): return (torch.rand(o, i) - 0.5) * (12 / i) ** 0.5", 0),
        (LABELS, "def predicted(x): return (x[:, 0] > 0.02).int()", 2),
        (LABELS, "def predicted(x): return (x[:, 1] > 0).int()", 0),
    ],
)
def test_draws_and_predictions(sandbox, exercise, answer, points):
    assert judged(exercise, answer, sandbox).points == points


# ---- What ends a worker ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ("while True: pass", "timed out", "While your cells were run, one of them took too much"),
        ("import os\nos._exit(3)", "process ended", "ended the whole Python process"),
        ("import ctypes\nctypes.string_at(0)", "process ended", "SIGSEGV"),
        ("raise ValueError('no luck')", "error", "the last error was ValueError: no luck"),
        ("", "missing", "there was no sigmoid_chain_grad"),
        ("b = bytearray(1 << 34)\ndef sigmoid_chain_grad(x, depth): return b", "error", ""),
    ],
)
def test_each_way_out_has_a_status_and_a_reason(sandbox, answer, status, words):
    mark = judged(exercises.ALL[EXERCISE], answer, sandbox)
    assert mark.status == status
    assert words in mark.reason
    assert mark.points == 0


def test_who_computes_does_not_wait(sandbox):
    spins = "    end = time.process_time() + 0.3\n    while time.process_time() < end: pass\n"
    answer = "import time\n" + RIGHT.replace("    slope =", f"{spins}    slope =", 1)
    within = replace(LIMITS, cpu_seconds=40, wall_seconds=2)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        mark = judged(exercises.ALL[EXERCISE], answer, sandbox, within)
        late = judged(exercises.ALL[EXERCISE], SLEEPS, sandbox, within)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert mark.cpu_seconds > within.wall_seconds
    assert (mark.points, mark.status) == (5, "correct")
    assert (late.points, late.status) == (0, "timed out")
    assert "does it wait for something" in late.reason


def test_a_judge_that_takes_long_costs_nobody_anything(sandbox):
    def slowly(rng):
        time.sleep(3)
        return LABELS.parts[0].cases(rng)

    slow = replace(LABELS, parts=(replace(LABELS.parts[0], cases=slowly),))
    answer = "def predicted(x): return (x[:, 0] > 0).int()"
    within = replace(LIMITS, wall_seconds=1)
    assert judged(slow, answer, sandbox, within).points == 2


def test_who_watches_goes_before_who_is_watched(sandbox):
    """Root's supervisor sees a worker that fills the run queue; the worker is as any process."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    watches = ours - supervisor._AHEAD if os.geteuid() == 0 else ours
    for who, nice in (("0", ours), ("os.getppid()", watches)):
        for number, points in ((nice, 5), (nice + 1, 0)):
            asserted = f"assert os.getpriority(os.PRIO_PROCESS, {who}) == {number}\n"
            mark = judged(exercises.ALL[EXERCISE], f"import os\n{asserted}{RIGHT}", sandbox)
            assert mark.points == points


@pytest.mark.parametrize(
    ("seen", "reason"),
    [((67, 0), "processes"), ((0, 2), "memory"), ((67, 2), "processes"), ((66, 1), None)],
)
def test_what_grows_fastest_is_looked_at_before_the_clock(monkeypatch, seen, reason):
    """The clock reads a file for each thread, and thousands may be born meanwhile."""

    def slow(processes, *, counts):
        raise TimeoutError

    clock = usage.Clock()
    monkeypatch.setattr(clock, "advance", slow)
    watching = object.__new__(supervisor._Supervisor)
    watching._limits, watching._before, watching._family = limits.Limits(memory=1), 0.0, []
    monkeypatch.setattr(watching, "_look", lambda: seen)
    monkeypatch.setattr(watching, "_listen", lambda: None)
    if reason:
        assert watching._beyond(clock, True) == reason
        watching._before = None  # none of the student's code has run
    with pytest.raises(TimeoutError):
        watching._beyond(clock, True)


def test_importing_what_is_common_costs_a_student_nothing(sandbox):
    common = {"matplotlib.pyplot", "pandas", "scipy.special", "sklearn.datasets", "torch._dynamo"}
    loaded = f"import sys\nassert {common!r} <= set(sys.modules)\n"
    assert judged(exercises.ALL[EXERCISE], loaded + RIGHT, sandbox).points == 5
    assert judged(exercises.ALL[EXERCISE], loaded.replace("<=", ">") + RIGHT, sandbox).points == 0


def test_a_machine_that_is_too_busy_gives_no_mark(sandbox):
    answer = "def sigmoid_chain_grad(x, depth):\n    while True: pass\n"
    within = replace(LIMITS, cpu_seconds=100, longest_seconds=1)
    with pytest.raises(GraderError, match="the machine is too busy"):
        judged(exercises.ALL[EXERCISE], answer, sandbox, within)


@pytest.mark.parametrize(
    ("threads", "counted"),
    [
        ([(0.0, 0.0)], 1.0),  # sleeps
        ([(1.0, 0.0)], 0.0),  # runs
        ([(0.1, 0.9)], 0.0),  # stands in the queue
        ([(0.1, 0.2), (0.3, 0.1)], 0.6),  # the busiest of two
        ([(9.0, 9.0)], 0.0),  # it never goes back
        ([], 1.0),  # the kernel does not say
    ],
)
def test_the_clock_counts_what_is_neither_running_nor_queued(monkeypatch, threads, counted):
    now, spent = 100.0, {}
    monkeypatch.setattr(usage.time, "monotonic", lambda: now)
    monkeypatch.setattr(usage, "_threads", lambda processes: spent)
    clock = usage.Clock()
    now, spent = 101.0, {str(place): one for place, one in enumerate(threads)}
    clock.advance([])
    assert clock.seconds == pytest.approx(counted)
    now = 105.0
    clock.advance([], counts=False)
    assert clock.seconds == pytest.approx(counted)
    now = 106.0
    clock.advance([])
    assert clock.seconds == pytest.approx(counted + 1)


def test_a_wait_in_the_queue_that_is_told_late_is_taken_back(monkeypatch):
    now, spent = 100.0, {"one": (0.0, 0.0)}
    monkeypatch.setattr(usage.time, "monotonic", lambda: now)
    monkeypatch.setattr(usage, "_threads", lambda processes: spent)
    clock = usage.Clock()
    for _ in range(3):
        now += 1
        clock.advance([])
    assert clock.seconds == pytest.approx(3)
    now, spent = 104.0, {"one": (0.5, 3.0)}
    clock.advance([])
    assert clock.seconds == pytest.approx(0.5)


def test_the_kernel_counts_time_in_the_queue_for_every_thread():
    found = usage._threads([os.getpid()])
    assert f"/proc/{os.getpid()}/task/{threading.main_thread().native_id}" in found
    assert all(ran >= 0 and queued >= 0 for ran, queued in found.values())
    assert sum(ran for ran, _ in found.values()) > 0
    assert usage._threads([2**22 + 1]) == {}


def test_parts_answered_before_the_end_keep_their_points(sandbox):
    answer = RIGHT.replace("    slope =", "    while depth > 3: pass\n    slope =", 1)
    mark = judged(exercises.ALL[EXERCISE], answer, sandbox)
    assert (mark.points, mark.status) == (2, "timed out")
    assert 'In part "any depth"' in mark.reason


def test_memory_is_counted_for_all_processes_of_a_worker_together(sandbox):
    answer = (
        "import os, time\n"
        "def sigmoid_chain_grad(x, depth):\n"
        "    for _ in range(6):\n"
        "        if os.fork() == 0:\n"
        "            block = bytearray(200 << 20)\n"
        "            time.sleep(60)\n"
        "    time.sleep(60)\n"
    )
    within = replace(LIMITS, memory=500 << 20, cpu_seconds=20)
    assert judged(exercises.ALL[EXERCISE], answer, sandbox, within).status == "out of memory"
    one = answer.replace("range(6)", "range(1)").replace("time.sleep(60)", "os._exit(0)", 1)
    one = one.replace("    time.sleep(60)\n", "    os.wait()\n")
    one += RIGHT.partition(":\n")[2]
    assert judged(exercises.ALL[EXERCISE], one, sandbox, within).status == "correct"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("def sigmoid_chain_grad(x, depth): raise PermissionError('a wall')", "needs a person"),
        ("raise PermissionError('a wall')", "needs a person"),
        ("def sigmoid_chain_grad(x, depth): raise ValueError('no luck')", "graded"),
        ("raise ValueError('no luck')", "graded"),
    ],
)
def test_who_ran_into_a_wall_is_looked_at_by_a_person(sandbox, answer, outcome):
    assert judged(exercises.ALL[EXERCISE], answer, sandbox).outcome == outcome


@pytest.mark.parametrize(
    ("reply", "fits"),
    [
        ({"nonce": "right", "why": "x"}, True),
        ({"nonce": "wrong", "why": "x"}, False),
        ({"nonce": "right", "why": 5}, False),
        ({"nonce": "right"}, False),
        ({"nonce": "right", "why": "x", "more": 1}, False),
        ("right", False),
    ],
)
def test_only_what_was_asked_for_is_heard(reply, fits):
    here, there = socket.socketpair()
    line, watcher = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there, line, watcher:
        frames.send(there, reply)
        talks = judge._Conversation(Worker(here, line), LIMITS, lambda seconds: None)
        if fits:
            assert talks.hear("right", {"why": str}) == reply
            talks.tell({"next": 1})
        else:
            with pytest.raises(judge._BrokenError):
                talks.hear("right", {"why": str})
        frames.send(there, reply)  # nobody has asked
        with pytest.raises(judge._BrokenError):
            talks.tell({"next": 2})


def test_the_guide_names_the_limits_in_force():
    text = " ".join((lessons.sources.ROOT / "docs" / "grading.md").read_text().split())
    given = limits.Limits()
    assert f"processor time ({given.cpu_seconds:g} s per exercise)" in text
    assert f"What only waits is stopped after {given.wall_seconds:g} s." in text
    assert f"Of those {given.wall_seconds:g} s the time counts" in text
    assert f"neither limit is reached in {given.longest_seconds:g} s" in text
    assert f"up to {running._MOST_WAITING} at once" in text
    assert f"for {supervisor.LOOK_EVERY * 1000:g} ms a worker may have more" in text
    assert f"looked at {1 / supervisor.LOOK_EVERY:g} times a second" in text


def test_no_message_shows_a_number_that_was_drawn(sandbox):
    exercise = exercises.ALL["norm_per_layer"]
    echo = "def norm_per_layer(norms): raise ValueError(str(norms))"
    reason = judged(exercise, echo, sandbox).reason
    assert "ValueError" in reason
    assert not re.search(r"\d\.\d", reason)


# ---- Without root ----------------------------------------------------------------------


def test_an_ordinary_user_grades_behind_bubblewrap_too(tmp_path):
    needs("bubblewrap")
    if os.geteuid() != 0:
        pytest.skip("all the other tests have run as an ordinary user")
    cases = named(
        "honest_half_precision", "honest_data_loader_with_workers", "hostile_mounts_a_file_system"
    )
    cases += classroom.neighbours()
    classroom.write_class(tmp_path / "submissions", cases)
    # In a user namespace we are an ordinary user who owns what root owned.
    ordinary = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    run = [*ordinary, *command(tmp_path, tier="bubblewrap")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "marks" / "marks.jsonl").read_text().splitlines()
    records = [Record.from_json(line) for line in lines]
    given = {
        record.student: next(mark for mark in record.exercises if mark.exercise == EXERCISE)
        for record in records
    }
    assert wrong(cases, given) == []


def test_the_doctor_says_what_works(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["grade", "--doctor"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert re.search(r"^landlock +works", said, re.MULTILINE)
    assert "`course grade` would use" in said


# ---- What people get -------------------------------------------------------------------


def test_an_override_counts_and_is_shown_and_gradebooks_are_filled(tmp_path, shared):
    needs("landlock")
    answered(
        tmp_path, ada=RIGHT, ben="def sigmoid_chain_grad(x, depth): return 0.25**depth + 0 * x"
    )
    (tmp_path / "canvas.csv").write_text(
        "Student,ID,SIS Login ID,Section,Lesson 01 (7)\n    Points Possible,,,,18\n"
        "Byron,1,ada,,\nBenn,2,ben,,\nCole,3,cleo,,\n"
    )
    fill = ["--canvas", str(tmp_path / "canvas.csv"), "--column", "Lesson 01 (7)"]
    grade(job(tmp_path))
    (tmp_path / "marks" / "overrides.csv").write_text(
        "student,exercise,points,comment\nben,sigmoid_chain_grad,4,the shape was my misprint\n"
    )
    done = CliRunner().invoke(cli.main, arguments(tmp_path, *fill))
    assert done.exit_code == 0, done.output
    assert "cleo" in done.output
    with (tmp_path / "marks" / "canvas.csv").open(newline="") as file:
        filled = {row["SIS Login ID"]: row["Lesson 01 (7)"] for row in csv.DictReader(file)}
    assert filled == {"": "18", "ada": "5", "ben": "4", "cleo": ""}
    with (tmp_path / "marks" / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["student"] == "ben"]
    (row,) = [row for row in rows if row["exercise"] == EXERCISE]
    assert (row["part"], row["points"], row["reason"]) == (
        "by hand",
        "4",
        "the shape was my misprint",
    )
    page = (tmp_path / "marks" / "feedback" / "ben.html").read_text()
    assert "the shape was my misprint" in page
    assert "A quarter is the largest slope" in page  # what the grader had said stays to be seen


def test_an_override_for_nobody_is_refused_before_marks_change(tmp_path, shared):
    needs("landlock")
    answered(tmp_path, ada=RIGHT)
    grade(job(tmp_path))
    before = (tmp_path / "marks" / "marks.csv").read_bytes()
    (tmp_path / "marks" / "overrides.csv").write_text("student,exercise,points,comment\neve,x,1,\n")
    with pytest.raises(ValueError, match="eve"):
        grade(job(tmp_path))
    assert (tmp_path / "marks" / "marks.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say which folder to grade"),
        (["here"], "with --out where the marks go"),
        (["here", "--out", "there", "--canvas", __file__], "say with --column which column"),
        (["nowhere", "--out", "there"], "there is no folder nowhere"),
        (["nowhere", "--out", "there", "--lesson", "99"], "there is no lesson '99'"),
    ],
)
def test_a_command_that_is_not_complete(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["grade", *words])
    assert stop.value.code in (1, 2)
    assert said in capsys.readouterr().err


def test_release_on_the_command_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["release", str(tmp_path / "class"), "01"])
    assert stop.value.code == 0
    assert (tmp_path / "class" / "notebooks" / "01_theory.ipynb").exists()
    assert not list((tmp_path / "class").rglob("lesson_0*.py"))
    assert "01_theory" in capsys.readouterr().out
