"""A whole class, graded as a careful human would, behind either wall."""

import os
import shutil
from dataclasses import replace

import classroom
import pytest
from classroom import EXERCISE, HONEST, HOSTILE

from helpers import render
from helpers.grading import walls
from helpers.grading.grade import Plan, grade
from helpers.grading.walls import Limits

LESSONS = render.lessons(["01"])
LIMITS = Limits(cpu_seconds=2, wall_seconds=8)
# Attacks that do no harm where there are no walls, and that then succeed.
HARMLESS = ("hostile_imports_the_reference", "hostile_walks_the_file_system")


def needs(tier):
    """Skip where these walls cannot stand; before a merge they must."""
    trial = next(trial for trial in walls.trials() if trial.tier == tier)
    if not trial.works and not os.environ.get("CI"):
        pytest.skip(trial.why)
    assert trial.works, trial.why


def graded(folder, tier, **changes):
    """Grade a class, and return the marks of the exercise by student."""
    plan = Plan(folder / "submissions", folder / "marks", LESSONS, folder / "key" / "secret")
    result = grade(replace(plan, tier=tier, limits=LIMITS, **changes))
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


@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_the_class_gets_the_marks_of_a_careful_human(tier, tmp_path, monkeypatch):
    needs(tier)
    monkeypatch.setenv("NOTE", classroom.EVIDENCE)  # for those who read the judge's environment
    before, after = classroom.neighbours()
    cases = [before, *HONEST, *HOSTILE, after]
    classroom.write_class(tmp_path / "submissions", cases)
    handed_in = contents(tmp_path / "submissions")
    with classroom.listeners(tmp_path) as heard:
        given = graded(tmp_path, tier)
    assert len(given) == len(cases) > 300
    if tier == "landlock":
        # Its processes talk through sockets, which are closed there: a person must look.
        loader = next(case for case in cases if case.name == "honest_data_loader_with_workers")
        cases.remove(loader)
        assert given[loader.name].outcome == "needs a person"
        assert "PermissionError" in given[loader.name].reason
    assert wrong(cases, given) == []
    assert {given[before.name].points, given[after.name].points} == {5}
    assert heard == []
    assert classroom.evidence(tmp_path) == []
    assert contents(tmp_path / "submissions") == handed_in


def test_the_comparison_sees_a_wrong_mark(tmp_path):
    needs("landlock")
    right, _ = classroom.neighbours()
    classroom.write_class(tmp_path / "submissions", [right])
    given = graded(tmp_path, "landlock")
    assert wrong([right], given) == []
    assert wrong([replace(right, points=3)], given)
    assert wrong([replace(right, points={"one layer": 2, "any depth": 0})], given)
    assert wrong([replace(right, statuses=frozenset({"wrong"}))], given)


def test_evidence_and_calls_are_seen(tmp_path):
    (tmp_path / f"{classroom.EVIDENCE}_note").touch()
    assert classroom.evidence(tmp_path)
    with classroom.listeners(tmp_path) as heard:
        import socket

        with socket.create_connection(("127.0.0.1", classroom.PORT)):
            pass
    assert heard == ["tcp"]


def test_without_walls_attacks_succeed(tmp_path):
    """So the class above shows what walls do, and not that the attacks are feeble."""
    if shutil.which("bwrap") is None and not os.environ.get("CI"):
        pytest.skip("attacks are let loose only behind a wall that lets them read")
    cases = [case for case in HOSTILE if case.name in HARMLESS]
    classroom.write_class(tmp_path / "submissions", cases)
    given = graded(tmp_path, "none", allow_weak=True)
    assert len(given) == len(HARMLESS)
    assert any(mark.points > 0 for mark in given.values()), given
