"""A whole class, graded as a careful human would, behind either wall."""

import os
import re
import shutil
import zlib
from dataclasses import replace

import classroom
import pytest
from classroom import EXERCISE, HONEST, HOSTILE, traces

from helpers import lessons
from helpers.grading.grade import GradingJob, grade
from helpers.grading.sandbox import tiers
from helpers.grading.sandbox.limits import Limits

LESSONS = lessons.paths(["01"])
LIMITS = Limits(cpu_seconds=2, wall_seconds=8)
DATA_LOADER = "honest_data_loader_with_workers"
# Attacks that do no harm where there are no walls, and that then succeed.
HARMLESS = [
    f"hostile_{name}"
    for name in ("imports_the_reference", "walks_the_file_system", "reads_known_files")
]


def needs(tier):
    """Skip where these walls cannot stand; before a merge they must."""
    trial = next(trial for trial in tiers.trials() if trial.tier == tier)
    if not trial.works and not os.environ.get("CI"):
        pytest.skip(trial.why)
    assert trial.works, trial.why


def graded(folder, tier, **changes):
    """Grade a class, and return the marks of the exercise by student."""
    job = GradingJob(folder / "submissions", folder / "marks", LESSONS, folder / "key" / "secret")
    result = grade(replace(job, **{"tier": tier, "limits": LIMITS, **changes}))
    return {
        record.student: next(mark for mark in record.exercises if mark.exercise == EXERCISE)
        for record in result.records
    }


def wrong(cases, given):
    """Say which marks differ from those of a careful human."""
    lines = []
    for case in cases:
        mark = given[case.name]
        points = {part.name: part.points for part in mark.parts}
        wanted = case.points if isinstance(case.points, dict) else mark.points
        same = points == wanted if isinstance(case.points, dict) else mark.points == case.points
        if not same or mark.status not in case.statuses:
            lines.append(f"{case.name}: {points} {mark.status} ({mark.reason}), not {case.points}")
    return lines


def contents(folder):
    """Everything in a folder, links not followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 26
    }


@pytest.fixture
def own_names(request, monkeypatch):
    """Names and a port of this test alone: another class may be graded at the same time."""
    number = zlib.crc32(request.node.name.encode())
    monkeypatch.setattr(traces, "EVIDENCE", f"vg_left_{number % 0xFFFFFF:06x}")
    monkeypatch.setattr(traces, "LINE", f"vg_line_{number % 0xFFFFFF:06x}")
    monkeypatch.setattr(traces, "PORT", 40_000 + number % 8_000)
    monkeypatch.setattr(traces, "FIRST_KEY", 0x5D000000 + number % 0xFFFFFF)


# Who uses up the time given is graded apart, with little of it: each is tried twice.
LOOPS = [case for case in (*HONEST, *HOSTILE) if re.match(r"[a-z]+_(cpu|wait)_", case.name)]
OTHERS = [case for case in (*HONEST, *HOSTILE) if case not in LOOPS]


@pytest.mark.parametrize(
    ("cases", "limits"),
    [(OTHERS, LIMITS), (LOOPS, Limits(cpu_seconds=1, wall_seconds=4))],
    ids=["others", "loops"],
)
@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_the_class_gets_the_marks_of_a_careful_human(
    tier, cases, limits, tmp_path, monkeypatch, own_names
):
    needs(tier)
    monkeypatch.setenv("NOTE", traces.EVIDENCE)  # for those who read the judge's environment
    before, after = classroom.neighbours()
    cases = [before, *cases, after]
    classroom.write_class(tmp_path / "submissions", cases)
    handed_in = contents(tmp_path / "submissions")
    with classroom.listeners(tmp_path) as heard:
        given = graded(tmp_path, tier, limits=limits)
    assert len(given) == len(cases)
    loader = next((case for case in cases if case.name == DATA_LOADER), None)
    if tier == "landlock" and loader:
        # Its processes talk through sockets, which are closed there: a person must look.
        cases.remove(loader)
        assert given[loader.name].outcome == "needs a person"
        assert "PermissionError" in given[loader.name].reason
    assert wrong(cases, given) == []
    assert {given[before.name].points, given[after.name].points} == {5}
    assert heard == []
    assert classroom.evidence(tmp_path) == []
    assert contents(tmp_path / "submissions") == handed_in


def test_nobody_of_the_class_is_left_out():
    assert len(LOOPS) > 10
    assert len(LOOPS) + len(OTHERS) == len(HONEST) + len(HOSTILE) > 300
    assert DATA_LOADER in {case.name for case in OTHERS}


def test_the_comparison_sees_a_wrong_mark(tmp_path):
    needs("landlock")
    right, _ = classroom.neighbours()
    classroom.write_class(tmp_path / "submissions", [right])
    given = graded(tmp_path, "landlock")
    assert wrong([right], given) == []
    assert wrong([replace(right, points=3)], given)
    assert wrong([replace(right, points={"one layer": 2, "any depth": 0})], given)
    assert wrong([replace(right, statuses=frozenset({"wrong"}))], given)


def test_evidence_and_calls_are_seen(tmp_path, own_names):
    (tmp_path / f"{traces.EVIDENCE}_note").touch()
    assert classroom.evidence(tmp_path)
    with classroom.listeners(tmp_path) as heard:
        import socket

        with socket.create_connection(("127.0.0.1", traces.PORT)):
            pass
    assert heard == ["tcp"]


def test_without_walls_attacks_succeed(tmp_path):
    """So the class above shows what walls do, and not that the attacks are feeble."""
    if shutil.which("bwrap") is None and not os.environ.get("CI"):
        pytest.skip("attacks are let loose only behind a wall that lets them read")
    cases = [case for case in HOSTILE if case.name in HARMLESS]
    classroom.write_class(tmp_path / "submissions", cases)
    # Not about limits: searching a disk takes what it takes.
    given = graded(tmp_path, "none", allow_weak=True, limits=Limits(cpu_seconds=60))
    assert len(given) == len(HARMLESS)
    assert any(mark.points > 0 for mark in given.values()), given
