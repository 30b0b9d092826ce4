"""Stored exercises judge as the exercises do, in a course without any reference."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import test_exercises as course
import torch

import helpers
from helpers import exercises, plain
from helpers.exercises import calling, marking, stored
from helpers.exercises.specification import Part

HELPERS = Path(helpers.__file__).parent
EVERY = [*course.ALL, course.RESIDUAL, course.HE, course.PREDICT]
MISCONCEPTIONS = [
    (exercise, misconception) for exercise in EVERY for misconception in exercise.misconceptions
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return all exercises, written and read back."""
    path = tmp_path_factory.mktemp("stored") / "stored.bin"
    stored.write(EVERY, path)
    return stored.read(path)


@pytest.mark.parametrize("exercise", EVERY, ids=course.name_of)
def test_what_is_read_is_what_was_written(kept, exercise):
    read = kept[exercise.name]
    assert read.name == exercise.name
    assert read.rubric == exercise.rubric
    asked, expected = course.questions(read), course.questions(exercise)
    assert len(asked) == len(expected)
    for one, other in zip(asked, expected, strict=True):
        for field in ("wrong_answers", "both_wrong", "other_questions"):
            kept_answers = dict(getattr(one, field))
            assert plain.encoded(kept_answers) == plain.encoded(dict(getattr(other, field)))
        assert plain.encoded(list(one[:3])) == plain.encoded(list(other[:3]))
        assert (one.model_probe is None) == (other.model_probe is None)
        if one.model_probe:
            assert plain.encoded(vars(one.model_probe)) == plain.encoded(vars(other.model_probe))


def test_the_order_is_kept(kept):
    assert list(kept) == [exercise.name for exercise in EVERY]


@pytest.mark.parametrize(("exercise", "misconception"), MISCONCEPTIONS, ids=course.name_of)
def test_a_stored_exercise_recognises_the_misconceptions(kept, exercise, misconception):
    verdict = marking.judge(kept[exercise.name], misconception.answer)
    assert verdict == marking.judge(exercise, misconception.answer)
    assert verdict.misconception == misconception.name


@pytest.mark.parametrize(("name", "function"), course.SOLUTIONS)
def test_a_stored_exercise_accepts_right_answers(kept, name, function):
    assert marking.judge(kept[name], function).status == "correct"


def test_another_seed_is_refused_in_one_sentence(kept, tmp_path):
    read = kept["safe_norm"]
    with pytest.raises(
        ValueError, match="asks safe_norm the questions of seed 0 only; pass seed=0"
    ):
        marking.judge(read, course.norm_by_scaling, seed=1)
    used = np.random.default_rng(0)
    used.random()
    for rng in (used, np.random.default_rng(7), np.random.Generator(np.random.MT19937(0))):
        with pytest.raises(ValueError, match="of seed 0 only"):
            read.questions(rng)
    path = tmp_path / "stored.bin"
    stored.write([exercises.ALL["safe_norm"]], path, seed=7)
    other = stored.read(path)["safe_norm"]
    assert marking.judge(other, course.norm_by_scaling, seed=7).status == "correct"
    with pytest.raises(ValueError, match="of seed 7 only"):
        marking.judge(other, course.norm_by_scaling)
    assert repr(course.questions(other, 7)[-1]) != repr(course.questions(read)[-1])


def test_writing_again_gives_the_same_file(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    stored.write(EVERY, first)
    stored.write(EVERY, second)
    assert first.read_bytes() == second.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


def test_an_exercise_too_large_is_refused_by_name(tmp_path):
    parts = (Part("large", 1, lambda rng: [{"values": torch.zeros(3000, 3000)}]),)
    with pytest.raises(ValueError, match=r"safe_norm cannot be stored: .* too large"):
        stored.write([replace(exercises.ALL["safe_norm"], parts=parts)], tmp_path / "stored.bin")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "stored.bin"
    stored.write([exercises.ALL["safe_norm"]], path)
    whole = path.read_bytes()
    frame = np.frombuffer(plain.encoded({"seed": 0, "rubric": {"name": "f"}}), dtype=np.uint8)
    others = [
        plain.encoded(value) for value in ([1], {"f": 1.0}, {"f": np.ones(3)}, {"f": frame}, "f")
    ]
    for content in (b"", b"text", whole[:-1], whole + b"x", *others):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"stored\.bin does not hold stored exercises, or not"):
            stored.read(path)


# A released course: a copy of helpers with the stored exercises and without the lessons'

SCRIPT = """
import contextlib, io, json, pathlib, sys
import helpers
from helpers import exercises, plain

def printed(name, function):
    function.__name__ = name
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exercises.check(function)
    return out.getvalue()

def replaying(answers):
    left = iter(answers)
    return lambda *arguments: next(left)

def stub(*arguments):
    raise NotImplementedError

def failing(*arguments):
    return arguments[-1] / "one"

lines = []
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.case")):
    name, answers = plain.decoded(file.read_bytes())
    lines.append(printed(name, replaying(answers)))
for name in exercises.ALL:
    lines += [printed(name, stub), printed(name, failing), printed(name, lambda: None)]
lines.append(printed("safe_nrom", stub))
print(json.dumps({
    "helpers": str(pathlib.Path(helpers.__file__).parent),
    "lessons": [name for name in sys.modules if "lesson_" in name],
    "references": [name for name, one in exercises.ALL.items() if hasattr(one, "reference")],
    "lines": lines,
}))
"""


def in_course(folder, cases):
    """Run the checks of all cases in a process that has the course in this folder."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(cases)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["helpers"] == str(folder / "helpers")
    return said


def test_a_released_course_says_what_the_full_course_says(tmp_path):
    released, cases = tmp_path / "released", tmp_path / "cases"
    cases.mkdir()
    ignored = shutil.ignore_patterns("lesson_*.py", "__pycache__")
    shutil.copytree(HELPERS, released / "helpers", ignore=ignored)
    stored.write(exercises.ALL.values(), released / "helpers" / "exercises" / "stored.bin")

    answered = [(name, function) for name, function in course.SOLUTIONS]
    answered += [
        (exercise.name, misconception.answer) for exercise, misconception in course.MISCONCEPTIONS
    ]
    answered += [
        (exercise.name, course.returning(exercise, change))
        for exercise in course.ALL
        for change in course.WRONG.values()
    ]
    for index, (name, function) in enumerate(answered):
        answers = [
            calling.call(function, list(one.arguments.values()), first=False).value
            for one in course.questions(exercises.ALL[name])
        ]
        (cases / f"{index:04}.case").write_bytes(plain.encoded([name, answers]))

    full, without = in_course(HELPERS.parent, cases), in_course(released, cases)
    assert full["lessons"]
    assert full["references"] == list(exercises.ALL)
    assert without["lessons"] == without["references"] == []
    assert len(full["lines"]) == len(answered) + 3 * len(exercises.ALL) + 1
    assert without["lines"] == full["lines"]
    text = " ".join("".join(full["lines"]).split())
    for words in (
        ": correct (",
        ": not attempted yet",
        "raised TypeError",
        "did you mean 'safe_norm'",
    ):
        assert words in text
    assert all(misconception.hint in text for _, misconception in course.MISCONCEPTIONS)


def test_a_course_without_exercises_does_not_start(tmp_path):
    ignored = shutil.ignore_patterns("lesson_*.py", "__pycache__")
    shutil.copytree(HELPERS, tmp_path / "helpers", ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-c", "from helpers import exercises"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "No module named 'helpers.exercises.lesson_00'" in done.stderr
