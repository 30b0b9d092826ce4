"""What a learner has done is counted once, at its best, and outlives the kernel."""

import json
import math
import threading

import nbformat
import pytest

from helpers import exercises, progress
from helpers.lessons import overview, sources
from helpers.progress import Step


@pytest.fixture
def lesson():
    """A kernel that runs lesson 01."""
    progress.begin("01")
    yield
    progress.begin("")


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / ".progress.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    return path


def restart():
    """Forget what this process knows, as a new kernel does."""
    progress.begin("")
    progress.begin("01")


def test_the_best_of_each_counts_once(lesson):
    assert not progress.summary().done
    progress.predicted("How much?", made=False)
    progress.predicted("How many?", made=True)
    for points in (0, 3, 1):
        progress.checked("1.2", points, 4)
    progress.checked("1.3", 2, 2)
    progress.checked("0.1", 2, 2)  # another lesson's
    summary = progress.summary()
    assert (summary.predictions, summary.exercises, summary.points) == ((1, 2), (1, 2), (5, 6))
    assert str(summary) == (
        "Lesson 01: 1 of 2 predictions made, 1 of 2 exercises solved (5 of 6 points)."
    )
    progress.predicted("How much?", made=True)
    progress.checked("1.2", 4, 4)
    assert str(progress.summary()).endswith("2 of 2 exercises solved (6 of 6 points). Done!")


def test_what_was_done_earlier_counts_if_it_is_asked_today(lesson, file):
    progress.predicted("How much?", made=True)
    progress.checked("1.2", 4, 4)
    restart()
    assert progress.summary().predictions == (0, 0)
    progress.predicted("How much?", made=False)
    progress.checked("1.2", 0, 4)
    assert progress.summary().predictions == (1, 1)
    assert progress.summary().points == (4, 4)


def test_only_news_are_written(lesson, file):
    for _ in range(3):
        progress.predicted("How much?", made=False)
        progress.predicted("How many?", made=True)
        progress.checked("1.2", 0, 4)
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == ["How many?"]


def test_a_damaged_file_loses_only_the_damaged_lines(lesson, file):
    progress.checked("1.2", 4, 4)
    lines = ['{"lesson": "01"', "[1]", "\x00\xff", '{"lesson": "01", "kind": "exercise"}', ""]
    with file.open("a", encoding="latin-1") as end:
        end.write("\n".join(lines) + "\n")
    progress.checked("1.3", 2, 2)
    assert [step.name for step in progress.kept()] == ["1.2", "1.3"]


def test_kernels_side_by_side_do_not_mix_their_lines(lesson, file):
    threads = [
        threading.Thread(target=progress.predicted, args=(f"How much {n}?" * 50, True))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({step.name for step in progress.kept(file)}) == 20


def test_a_folder_that_cannot_be_written_stops_no_lesson(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "gone" / "file"))
    progress.checked("1.2", 4, 4)
    assert progress.summary().points == (4, 4)


def test_points_beyond_those_to_be_had_do_not_count():
    asked = [Step("01", "exercise", "1.2", 0, 4)]
    done = [Step("01", "exercise", "1.2", 9, 9), Step("02", "exercise", "1.2", 4, 4)]
    assert progress.summed("01", asked, done).points == (4, 4)
    assert progress.summed("01", asked, done[1:]).points == (0, 4)


def test_the_overview_counts_what_each_lesson_asks_for(tmp_path):
    lessons = sources.paths()
    summaries = overview.summaries(tmp_path)
    assert [summary.lesson for summary in summaries] == [path.stem[:2] for path in lessons]
    for path, summary in zip(lessons, summaries, strict=True):
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells)
        predictions = text.count("claims.predict(")
        checks = sum("check" in cell.metadata.get("tags", []) for cell in cells)
        open_ones = sum(f"exercises.check({name})" in text for name in exercises.OPEN)
        assert (summary.predictions, summary.open_exercises) == ((0, predictions), (0, open_ones))
        assert summary.exercises == (0, checks - open_ones)
        assert predictions > 0
    points = sum(summary.points[1] for summary in summaries)
    assert points == sum(exercise.rubric.points for exercise in exercises.ALL.values())


def test_the_overview_reads_the_learner_s_file(tmp_path):
    question = next(overview.questions(sources.paths()[0]))
    step = {"lesson": "00", "kind": "prediction", "name": question, "points": 1, "of": 1}
    (tmp_path / overview.FILE).write_text(json.dumps(step) + "\n")
    assert overview.summaries(tmp_path)[0].predictions[0] == 1


def test_a_check_counts_at_its_best(capsys):
    def decades_lost(first, last):
        return math.log10(last / first)

    def stub(first, last):
        raise NotImplementedError

    stub.__name__ = "decades_lost"
    progress.begin("00")
    exercises.check(stub)
    assert (progress.summary().exercises, progress.summary().points[0]) == ((0, 1), 0)
    for answer in (decades_lost, stub):
        exercises.check(answer)
        assert (progress.summary().exercises, progress.summary().done) == ((1, 1), True)
    progress.begin("")
