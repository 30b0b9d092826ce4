"""Commands for lessons: open, render, run, and write the worked versions."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbformat import NotebookNode

    from helpers.lessons import Run


_OWN = "my_course"  # the learner's own copy, in the course's folder


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(options: tuple[str, ...]) -> None:
    """Open your own copy of the course, my_course/, in JupyterLab.

    What you changed is never overwritten. OPTIONS go to `jupyter lab` as they
    are, for example --no-browser or --port 8890.
    """
    from helpers.lessons import copies, overview, sources

    folder = sources.ROOT / _OWN
    for line in copies.learner_copy(folder):
        click.echo(line)
    command = _lab_command(folder, sources.paths()[0].name, options)
    os.environ.update(_lab_environment(sources.ROOT, folder / overview.FILE))
    sys.stdout.flush()
    os.execv(command[0], command)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--force", is_flag=True, help="Also execute notebooks that match their source.")
@click.option("--check", is_flag=True, help="Execute nothing; fail if a notebook is out of step.")
def render(names: tuple[str, ...], force: bool, check: bool) -> None:
    """Turn notebooks/source into executed notebooks: all lessons, or those NAMED.

    An experiment takes minutes, so it is rendered only when it is named; --check
    looks at everything. A notebook that matches its source is not executed
    again. After a change in helpers/ use --force.
    """
    from helpers.lessons import publish

    if check:
        reasons = publish.stale(names)
        for name, reason in reasons.items():
            click.echo(f"{name}: {reason}")
        if reasons:
            raise click.ClickException(
                "run `course render`, naming every experiment, and commit the result"
            )
        return
    for line in publish.render(names, force=force):
        click.echo(line)
    for line in (*publish.readme_pictures(), *publish.readme_table()):
        click.echo(line)


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--workers", type=click.IntRange(1), help="How many at a time  [default: processors]."
)
@click.option(
    "-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Change a parameter."
)
def run(
    names: tuple[str, ...], workers: int | None, parameters: tuple[tuple[str, str], ...]
) -> None:
    """Execute notebooks without a browser: all lessons, or those NAMED.

    An experiment takes minutes, so it runs only when it is named. So does a preset: an
    experiment with other parameters, such as hundred_thousand_layers. One line per
    notebook says how many claims held. Nothing is written. The exit code is 1 if
    a claim or a cell failed.
    """
    import nbformat

    from helpers import lessons
    from helpers.lessons import sources

    presets = {name: sources.PRESETS[name] for name in names if name in sources.PRESETS}
    ordinary = [name for name in names if name not in presets]
    found = lessons.notebooks(ordinary) if ordinary or not names else []
    paths = {path.stem: path for path in found}
    for name, (experiment, _) in presets.items():
        (paths[name],) = lessons.experiments([experiment])
    if not paths:
        raise click.ClickException("notebooks/ holds no rendered lesson; run `course render` first")
    loaded = {name: nbformat.read(path, as_version=4) for name, path in paths.items()}
    for name, notebook in loaded.items():
        _, preset = presets.get(name, (name, {}))
        known = [(key, repr(value)) for key, value in preset.items()]
        _set_parameters(notebook, name, [*known, *parameters])
    width = max(map(len, loaded))
    failed = False
    patient = any(path in lessons.experiments() for path in paths.values())
    limit = {"cell_seconds": None} if patient else {}  # a cell of an experiment may take hours
    results = lessons.execute([*loaded.values()], workers, **limit)
    for name, result in zip(loaded, results, strict=True):
        click.echo(f"{name:{width}}  {_verdict(result)}")
        failed = failed or bool(result.failure)
    sys.exit(failed)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
def solutions(folder: Path, names: tuple[str, ...]) -> None:
    """Write the worked, executed lessons into FOLDER: all, or those NAMED."""
    from helpers.lessons import copies

    for line in copies.solutions(folder, names):
        click.echo(line)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1)
@click.option("--own", is_flag=True, help="Your own notebooks, as you saved them in my_course/.")
def export(folder: Path, names: tuple[str, ...], own: bool) -> None:
    """Write notebooks into FOLDER as pages to read and to print: all, or those NAMED.

    A page is one file of HTML, figures and formulas included. It needs no network.
    """
    from helpers.lessons import pages, sources

    for line in pages.export(folder, names, sources.ROOT / _OWN if own else None):
        click.echo(line)


@click.command()
@click.argument("names", nargs=-1, required=True)
def reset(names: tuple[str, ...]) -> None:
    """Put a fresh copy of the NAMED notebooks into my_course/, for example 03.

    What you wrote is kept beside it, under another name.
    """
    from helpers.lessons import copies, sources

    for line in copies.reset(sources.ROOT / _OWN, names):
        click.echo(line)


@click.command()
def progress() -> None:
    """Show which predictions you made and which exercises you solved, lesson by lesson."""
    from helpers.lessons import overview, sources

    lessons = overview.summaries(sources.ROOT / _OWN)
    for lesson in lessons:
        click.echo(lesson)
    click.echo(f"Lessons done: {sum(lesson.done for lesson in lessons)} of {len(lessons)}.")


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


def _lab_environment(root: Path, progress: Path) -> dict[str, str]:
    """Return what JupyterLab and its kernels find in their environment."""
    # What is in .jupyter keeps JupyterLab from asking about news on its first start, and gives
    # figures their alt text.
    paths = {
        name: os.pathsep.join(filter(None, [str(root / ".jupyter"), os.environ.get(name, "")]))
        for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")
    }
    return {
        **paths,
        "COURSE_PROGRESS": str(progress),
        # Networks this small train fastest on one thread.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def _set_parameters(
    notebook: "NotebookNode", lesson: str, parameters: "Iterable[tuple[str, str]]"
) -> None:
    """Add assignments to the parameters cell, so that cell numbers stay."""
    from helpers import experiment
    from helpers.sweeps import literal

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
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [one.get("text") or one.get("data", {}).get("text/plain", "") for one in shown]
    claims = sum(line.startswith("✓ ") for text in texts for line in text.split("\n"))
    exercises = sum("exercise" in cell.metadata.get("tags", []) for cell in cells)
    noun = "exercise " if exercises == 1 else "exercises"
    return f"{claims:3} claims held  {exercises:2} {noun}  {result.seconds:6.1f} s"
