"""Commands for instructors: release exercises, and grade what comes back."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helpers.cli.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from helpers.grading.grade import Result
    from helpers.grading.sandbox.messages import Tier


@click.command()
@click.argument("submissions", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where the marks go; the same folder again goes on where it was.",
)
@click.option(
    "--lesson", "names", multiple=True, metavar="NAME", help="Grade this lesson only (repeatable)."
)
@click.option(
    "--secret",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that hidden inputs are drawn from; made on first use. Keep it.",
)
@click.option(
    "--sandbox",
    type=click.Choice(["bubblewrap", "landlock", "none"]),
    help="Which walls stand around students' code  [default: the strongest there are].",
)
@click.option("--allow-weak-sandbox", is_flag=True, help="Grade even where there is no sandbox.")
@click.option("--fresh", is_flag=True, help="A new sandbox for every exercise: many times slower.")
@click.option(
    "--workers", type=click.IntRange(1), help="How many at a time  [default: processors]."
)
@click.option(
    "--canvas",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fill one column of this gradebook, exported from Canvas; written to OUT/canvas.csv.",
)
@click.option(
    "--moodle",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The same for Moodle; written to OUT/moodle.csv.",
)
@click.option("--column", help="The column to fill, exactly as the gradebook calls it.")
@click.option(
    "--match", help="The column with the names of the students' folders  [default: found]."
)
@click.option(
    "--nbgrader",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the marks into this gradebook of nbgrader's, such as gradebook.db.",
)
@click.option("--doctor", is_flag=True, help="Say which sandboxes work here, and why not.")
def grade(
    submissions: Path | None,
    out: Path | None,
    names: tuple[str, ...],
    secret: Path | None,
    sandbox: "Tier | None",
    allow_weak_sandbox: bool,
    fresh: bool,
    workers: int | None,
    canvas: Path | None,
    moodle: Path | None,
    column: str | None,
    match: str | None,
    nbgrader: Path | None,
    doctor: bool,
) -> None:
    """Grade SUBMISSIONS, a folder with one folder per student and their notebooks in it.

    OUT gets marks.csv, report.html, feedback/ with a page for each student, and
    records/. An overrides.csv there (student, exercise, points, comment) is honoured.
    Stopped at any moment, the same command goes on where it was. The exit code is 1 if
    the grader failed on some submission, 2 if nothing was graded.
    """
    if doctor:
        _doctor()
        return
    if submissions is None or out is None:
        raise click.UsageError("say which folder to grade, and with --out where the marks go")
    if (canvas or moodle) and not column:
        raise click.UsageError("say with --column which column of the gradebook to fill")
    from tqdm import tqdm

    from helpers import lessons
    from helpers.grading import grade as grading

    def progress(items: "Iterable[Any]", total: int) -> "Iterable[Any]":
        return tqdm(items, total=total, unit="notebook", leave=False, disable=None)

    job = grading.GradingJob(
        submissions=submissions,
        out=out,
        lessons=lessons.paths(names),
        secret=secret or Path(click.get_app_dir("vanishing-gradients")) / "grading-secret",
        tier=sandbox,
        allow_weak=allow_weak_sandbox,
        fresh=fresh,
        workers=workers,
    )
    try:
        result = grading.grade(job, progress)
    except ValueError as error:
        raise Refused(str(error)) from error
    except KeyboardInterrupt:
        raise click.ClickException(
            "stopped; what has been graded is kept, and the same command goes on from here"
        ) from None
    for line in _summary(result, out):
        click.echo(line)
    for line in _gradebooks(result, out, canvas, moodle, column, match, nbgrader):
        click.echo(line)
    sys.exit(bool(result.waiting("grader failed")))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option(
    "--nbgrader", is_flag=True, help="Also write FOLDER-nbgrader, the lessons for nbgrader."
)
def release(folder: Path, names: tuple[str, ...], nbgrader: bool) -> None:
    """Write what students get into FOLDER: all lessons, or those NAMED.

    No solution, no reference and no grader is in it; the check of each exercise works
    from stored questions and answers.
    """
    from helpers.grading.hand_back import release as releasing
    from helpers.lessons import sources

    lessons, experiments = sources.paths(names), sources.experiments()
    for line in releasing.release(folder, lessons, experiments, sources.ROOT, nbgrader=nbgrader):
        click.echo(line)


def _doctor() -> None:
    """Try each sandbox; say which would be used, and why not a stronger one."""
    from helpers.grading.sandbox import tiers

    trials = tiers.trials()
    for trial in trials:
        words = "works" if trial.works else "does not work"
        click.echo(f"{trial.tier:10}  {words:13}  {trial.why}".rstrip())
    used: Tier = next((trial.tier for trial in trials if trial.works), "none")
    click.echo(f"`course grade` would use: {tiers.IN_WORDS[used]}.")


def _summary(result: "Result", out: Path) -> "Iterable[str]":
    """Say in a few lines what came of grading a class."""
    from helpers import text
    from helpers.grading.sandbox import tiers

    for info in result.infos:
        yield text.visible(info)
    notebooks = text.count(len(result.records), "notebook")
    students = text.count(len({record.student for record in result.records}), "student")
    kept = f", {result.kept} of them graded before" if result.kept else ""
    yield f"{notebooks} of {students}{kept}; sandbox: {tiers.IN_WORDS[result.tier]}"
    for outcome, words in (
        ("needs a person", "for a person to look at"),
        ("grader failed", "without marks, because the grader failed; run it again"),
    ):
        if waiting := result.waiting(outcome):
            who = ", ".join(text.visible(f"{one.student} ({one.lesson})") for one in waiting[:5])
            more = f" and {len(waiting) - 5} more" if len(waiting) > 5 else ""
            yield f"{len(waiting)} {words}: {who}{more}"
    yield f"marks: {out / 'marks.csv'}"
    yield f"report: {out / 'report.html'}"


def _gradebooks(
    result: "Result",
    out: Path,
    canvas: Path | None,
    moodle: Path | None,
    column: str | None,
    match: str | None,
    nbgrader: Path | None,
) -> "Iterable[str]":
    """Fill the gradebooks that were asked for; say what could not be filled."""
    from helpers.grading.hand_back import gradebooks

    for export, fill, name in (
        (canvas, gradebooks.canvas, "canvas.csv"),
        (moodle, gradebooks.moodle, "moodle.csv"),
    ):
        if export and column:
            yield from fill(export, result.standing, column, out / name, match=match)
            yield f"gradebook: {out / name}"
    if nbgrader:
        from helpers.grading.hand_back import nbgrader_gradebook

        nbgrader_gradebook.to_gradebook(result.standing, f"sqlite:///{nbgrader.resolve()}")
        yield f"gradebook: {nbgrader}"
