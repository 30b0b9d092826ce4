"""The ``course`` command.

Everything slow is imported inside the commands, so that ``course --help``
answers at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbformat import NotebookNode

    from helpers.grading.grade import Result
    from helpers.lessons import Run


class _OneSentence(click.Group):
    """A group whose expected errors end in one sentence, not in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_OneSentence)
def main() -> None:
    """Run, read and publish the course on vanishing and exploding gradients."""
    # "Python 3" is the Python of the course, not one that the user has installed elsewhere.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(options: tuple[str, ...]) -> None:
    """Open your own copy of the course, my_course/, in JupyterLab.

    What you changed is never overwritten. OPTIONS go to `jupyter lab` as they
    are, for example --no-browser or --port 8890.
    """
    from helpers import lessons

    folder = render.ROOT / "my_course"
    for line in render.learner_copy(folder):
        click.echo(line)
    command = _lab_command(folder, render.lessons()[0].name, options)
    os.environ.update(_lab_environment(render.ROOT))
    sys.stdout.flush()
    os.execv(command[0], command)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--force", is_flag=True, help="Also execute notebooks that match their source.")
@click.option("--check", is_flag=True, help="Execute nothing; fail if a notebook is out of step.")
def render(names: tuple[str, ...], force: bool, check: bool) -> None:
    """Turn notebooks/source into executed notebooks: all lessons, or those NAMED.

    An experiment takes minutes, so it is rendered only when it is named; --check
    looks at everything. A notebook that matches its source is not executed
    again. After a change in helpers/ use --force.
    """
    from helpers import lessons as publishing

    if check:
        reasons = publishing.stale(names)
        for name, reason in reasons.items():
            click.echo(f"{name}: {reason}")
        if reasons:
            raise click.ClickException(
                "run `course render`, naming every experiment, and commit the result"
            )
        return
    for line in publishing.render(names, force=force):
        click.echo(line)
    for line in publishing.readme_pictures():
        click.echo(line)


@main.command()
@click.argument("names", nargs=-1)
@click.option(
    "--workers", type=click.IntRange(1), help="How many at a time  [default: processors]."
)
@click.option(
    "-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Change a parameter."
)
def run(names: tuple[str, ...], workers: int | None, parameters: tuple) -> None:
    """Execute notebooks without a browser: all lessons, or those NAMED.

    An experiment takes minutes, so it runs only when it is named. One line a
    notebook says how many claims held. Nothing is written. The exit code is 1 if
    a claim or a cell failed.
    """
    import nbformat

    from helpers import lessons as publishing

    paths = publishing.notebooks(names)
    if not paths:
        raise click.ClickException("notebooks/ holds no rendered lesson; run `course render` first")
    loaded = [nbformat.read(path, as_version=4) for path in paths]
    for path, notebook in zip(paths, loaded, strict=True):
        _set_parameters(notebook, path.stem, parameters)
    width = max(len(path.stem) for path in paths)
    failed = False
    for path, result in zip(paths, publishing.execute(loaded, workers), strict=True):
        click.echo(f"{path.stem:{width}}  {_verdict(result)}")
        failed = failed or bool(result.failure)
    sys.exit(failed)


@main.command()
@click.argument("notebook")
@click.option(
    "-g",
    "--grid",
    "grids",
    multiple=True,
    metavar="NAME=VALUES",
    help="Vary a parameter: depth=5,10,20 or seed=0..4.",
)
@click.option(
    "-f",
    "--file",
    "grid_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the grid from a YAML file that maps parameters to values.",
)
@click.option(
    "-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Fix a parameter."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to keep the runs  [default: runs/NOTEBOOK].",
)
@click.option(
    "--workers", type=click.IntRange(1), help="How many at a time  [default: processors]."
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Run on this Dask cluster, such as tcp://10.0.0.1:8786."
)
@click.option(
    "--cell-seconds",
    type=click.FloatRange(0, min_open=True),
    help="A run fails when one of its cells takes longer.",
)
@click.option("--retry-failed", is_flag=True, help="Run those again that failed before.")
@click.option("--dry-run", is_flag=True, help="List the runs, and start none.")
def sweep(
    notebook: str,
    grids: tuple[str, ...],
    grid_file: Path | None,
    parameters: tuple,
    out: Path | None,
    workers: int | None,
    scheduler: str | None,
    cell_seconds: float | None,
    retry_failed: bool,
    dry_run: bool,
) -> None:
    """Run NOTEBOOK, an experiment's name or a file, once at every cell of a grid.

    Each run is kept in the folder --out with its notebook; results.csv has a row for
    each, index.html is the page to open. Stopped at any moment, the same command goes
    on where it was. The exit code is 1 if runs failed, 2 if the sweep was refused.
    """
    from helpers import sweep as sweeping

    try:
        wanted = sweeping.plan(_notebook(notebook), _grid(grids, grid_file), _fixed(parameters))
        folder = sweeping.Folder(out or Path("runs") / wanted.name)
        if dry_run:
            for line in sweeping.preview(wanted, folder, retry_failed):
                click.echo(line)
            return
        if workers and scheduler:
            raise ValueError("--workers is for this machine; with --scheduler start them there")
        result = sweeping.execute(
            wanted,
            folder,
            workers=workers,
            scheduler=scheduler,
            cell_seconds=cell_seconds,
            retry_failed=retry_failed,
        )
    except ValueError as error:
        raise _refused(error) from error
    except KeyboardInterrupt:
        raise click.ClickException(
            f"stopped: {sweeping.tally(wanted, folder)}; the same command goes on from here"
        ) from None
    click.echo(f"{result}: {folder.path / 'index.html'}")
    sys.exit(bool(result.failed))


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
def solutions(folder: Path, names: tuple[str, ...]) -> None:
    """Write the worked, executed lessons into FOLDER: all, or those NAMED."""
    from helpers import lessons as publishing

    for line in publishing.solutions(folder, names):
        click.echo(line)


@main.command()
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
    sandbox: str | None,
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
    """Grade SUBMISSIONS, a folder with one folder a student and their notebooks in it.

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

    def progress(items: "Iterable", total: int) -> "Iterable":
        return tqdm(items, total=total, unit="notebook", leave=False, disable=None)

    plan = grading.Plan(
        submissions=submissions,
        out=out,
        lessons=render.lessons(names),
        secret=secret or Path(click.get_app_dir("vanishing-gradients")) / "grading-secret",
        tier=sandbox,
        allow_weak=allow_weak_sandbox,
        fresh=fresh,
        workers=workers,
    )
    try:
        result = grading.grade(plan, progress)
    except ValueError as error:
        raise _refused(error) from error
    except KeyboardInterrupt:
        raise click.ClickException(
            "stopped; what has been graded is kept, and the same command goes on from here"
        ) from None
    for line in _summary(result, out):
        click.echo(line)
    for line in _gradebooks(result, out, canvas, moodle, column, match, nbgrader):
        click.echo(line)
    sys.exit(bool(result.waiting("grader failed")))


@main.command()
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
    from helpers import lessons
    from helpers.grading import release as releasing

    lessons, experiments = render.lessons(names), render.experiments()
    for line in releasing.release(folder, lessons, experiments, render.ROOT, nbgrader=nbgrader):
        click.echo(line)


def _doctor() -> None:
    """Try each sandbox; say which would be used, and why not a stronger one."""
    from helpers.grading import walls

    trials = walls.trials()
    for trial in trials:
        words = "works" if trial.works else "does not work"
        click.echo(f"{trial.tier:10}  {words:13}  {trial.why}".rstrip())
    used = next((trial.tier for trial in trials if trial.works), "none")
    click.echo(f"`course grade` would use: {walls.IN_WORDS[used]}.")


def _summary(result: "Result", out: Path) -> "Iterable[str]":
    """Say in a few lines what came of grading a class."""
    from helpers.grading import walls
    from helpers.grading.gradebooks import visible

    for info in result.infos:
        yield visible(info)
    count, students = len(result.records), len({record.student for record in result.records})
    kept = f", {result.kept} of them graded before" if result.kept else ""
    yield f"{count} notebooks of {students} students{kept}; sandbox: {walls.IN_WORDS[result.tier]}"
    for outcome, words in (
        ("needs a person", "for a person to look at"),
        ("grader failed", "without marks, because the grader failed; run it again"),
    ):
        if waiting := result.waiting(outcome):
            who = ", ".join(visible(f"{one.student} ({one.lesson})") for one in waiting[:5])
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
    from helpers.grading import gradebooks

    for export, fill, name in (
        (canvas, gradebooks.canvas, "canvas.csv"),
        (moodle, gradebooks.moodle, "moodle.csv"),
    ):
        if export:
            yield from fill(export, result.standing, column, out / name, match=match)
            yield f"gradebook: {out / name}"
    if nbgrader:
        from helpers.grading import nbgrader_gradebook

        nbgrader_gradebook.to_gradebook(result.standing, f"sqlite:///{nbgrader.resolve()}")
        yield f"gradebook: {nbgrader}"


def _refused(error: ValueError) -> click.ClickException:
    """Return what ends the command with exit code 2: nothing has been done."""
    problem = click.ClickException(str(error))
    problem.exit_code = 2
    return problem


def _notebook(name: str) -> Path:
    """Return the notebook that a name or a file name means."""
    from helpers import lessons

    path = Path(name)
    if path.suffix == ".ipynb":
        if not path.is_file():
            raise ValueError(f"there is no file {name}")
        return path
    (path,) = render.notebooks([name])
    return path


def _grid(grids: tuple[str, ...], grid_file: Path | None) -> dict[str, tuple]:
    """Put the grid of the command line and that of the file together."""
    from helpers import sweep

    grid = sweep.read_grid(grid_file) if grid_file else {}
    for text in grids:
        name, equals, found = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"{text!r} is no part of a grid; write it like depth=5,10,20")
        if name in grid:
            raise ValueError(f"{name} is given twice; put all its values in one list")
        try:
            grid[name] = sweep.values(found)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return grid


def _fixed(parameters: tuple) -> dict[str, object]:
    from helpers import sweep

    return {name: sweep.literal(text) for name, text in parameters}


def _lab_command(folder: Path, first: str, options: "Iterable[str]") -> list[str]:
    """Return the command that opens JupyterLab on the first lesson."""
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{first}",
        # The course works without a network: ask nobody for news or updates.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container everybody is root
    return [*command, *options]


def _lab_environment(root: Path) -> dict[str, str]:
    """Return what JupyterLab and its kernels find in their environment."""
    # Settings in .jupyter keep JupyterLab from asking about news on its first start.
    config = [str(root / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, config)),
        # Networks this small train fastest on one thread.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def _set_parameters(notebook: "NotebookNode", lesson: str, parameters: tuple) -> None:
    """Add assignments to the parameters cell, so that cell numbers stay."""
    from helpers import experiment
    from helpers.sweep import literal

    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    known = experiment.parameters(notebook)
    for name, text in parameters:
        if name not in known:
            raise ValueError(
                f"{lesson} has no parameter {name!r}; it has: {', '.join(known) or 'none'}"
            )
        cells[0].source += f"\n{name} = {literal(text)!r}"


def _verdict(result: "Run") -> str:
    """Return the line that sums up how a notebook ran."""
    if result.failure:
        return f"FAILED, {result.failure}"
    cells = result.notebook.cells
    claims = sum(
        line.startswith("✓ ")
        for cell in cells
        for output in cell.get("outputs", [])
        for line in output.get("text", "").split("\n")
    )
    exercises = sum("exercise" in cell.metadata.get("tags", []) for cell in cells)
    noun = "exercise " if exercises == 1 else "exercises"
    return f"{claims:3} claims held  {exercises:2} {noun}  {result.seconds:6.1f} s"
