"""The command that runs a notebook at every cell of a grid."""

import sys
from pathlib import Path

import click

from helpers.cli.errors import Refused


@click.command()
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
    parameters: tuple[tuple[str, str], ...],
    out: Path | None,
    workers: int | None,
    scheduler: str | None,
    cell_seconds: float | None,
    retry_failed: bool,
    dry_run: bool,
) -> None:
    """Run NOTEBOOK, an experiment, a preset or a file, once at every cell of a grid.

    Each run is kept in the folder --out with its notebook; results.csv has a row for
    each, index.html is the page to open. Stopped at any moment, the same command goes
    on where it was. The exit code is 1 if runs failed, 2 if the sweep was refused.
    """
    from helpers import sweeps

    try:
        path, preset = _notebook(notebook)
        grid, fixed = _grid(grids, grid_file), _fixed(parameters)
        known = {name: value for name, value in preset.items() if name not in grid}
        wanted = sweeps.prepare(path, grid, known | fixed)
        folder = sweeps.Folder(out or Path("runs") / (notebook if preset else wanted.name))
        if dry_run:
            for line in sweeps.preview(wanted, folder, retry_failed):
                click.echo(line)
            return
        if workers and scheduler:
            raise ValueError("--workers is for this machine; with --scheduler start them there")
        result = sweeps.execute(
            wanted,
            folder,
            workers=workers,
            scheduler=scheduler,
            cell_seconds=cell_seconds,
            retry_failed=retry_failed,
        )
    except ValueError as error:
        raise Refused(str(error)) from error
    except sweeps.Stopped as stopped:
        raise click.ClickException(str(stopped)) from None
    click.echo(f"{result}: {folder.path / 'index.html'}")
    sys.exit(bool(result.failed))


def _notebook(name: str) -> tuple[Path, dict[str, object]]:
    """Return the notebook that a name or a file name means, and a preset's parameters."""
    from helpers import lessons
    from helpers.lessons import sources

    name, preset = sources.PRESETS.get(name, (name, {}))
    path = Path(name)
    if path.suffix == ".ipynb":
        if not path.is_file():
            raise ValueError(f"there is no file {name}")
        return path, preset
    (path,) = lessons.notebooks([name])
    return path, preset


def _grid(grids: tuple[str, ...], grid_file: Path | None) -> dict[str, tuple[object, ...]]:
    """Put the grid of the command line and that of the file together."""
    from helpers import sweeps

    grid = sweeps.read_grid(grid_file) if grid_file else {}
    for text in grids:
        name, equals, found = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"{text!r} is not part of a grid; write it like depth=5,10,20")
        if name in grid:
            raise ValueError(f"{name} is given twice; put all its values in one list")
        try:
            grid[name] = sweeps.values(found)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return grid


def _fixed(parameters: tuple[tuple[str, str], ...]) -> dict[str, object]:
    from helpers import sweeps

    return {name: sweeps.literal(text) for name, text in parameters}
