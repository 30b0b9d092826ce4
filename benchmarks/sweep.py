"""How many runs of a small notebook per minute, and what does a run cost?

24 settings of the experiment ``depth`` (depth 20, width 64, 50 steps, digits), by
papermill one after another, by papermill in two processes, by ``course sweep`` with
one worker and with two, by a bare Python loop over the same work without pictures,
and as one batched computation. Everything is one interleaved run: each round runs
all of them, in a random order. The table gives, against papermill at as many workers,
the ratio of throughputs with start-up, and without it: the time of 24 more runs in
a sweep of 48. At the end the results of both ways are compared, bit by bit.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

ENVIRONMENT = {**os.environ, "TQDM_DISABLE": "1"}  # nobody watches a bar, in none of the ways
BIN = Path(sys.executable).parent
NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "experiments" / "depth.ipynb"
COUNT = 24
FIXED = {"depth": "20", "width": "64", "steps": "50", "device": "cpu"}
LOOP = """
import sys, torch
from torch.nn.functional import cross_entropy
from helpers import data, models, probe, train
train.use_one_thread()
recipe = train.Recipe("sgd", 0.1, 50, 64)
setting = models.Setting(depth=20, width=64)
for seed in range({count}):
    split = data.digits(seed)
    net = models.build(setting, split.features, split.classes, seed)
    flow = probe.record(net, *split.batch(128, seed), cross_entropy)
    train.fit(net, split, recipe, seed=seed, device="cpu")
"""
BATCHED = """
from helpers import data, models, train
train.use_one_thread()
recipe = train.Recipe("sgd", 0.1, 50, 64)
setting = models.Setting(depth=20, width=64)
train.fit_many([setting] * {count}, data.digits(0), recipe, seeds=range({count}),
               device="cpu")
"""


def command(*words: object) -> None:
    """Run a command, and stop here if it fails."""
    subprocess.run([*map(str, words)], check=True, capture_output=True, env=ENVIRONMENT)


def papermill(folder: Path, seed: int) -> None:
    """Run one setting the plain way."""
    words = [word for name, value in FIXED.items() for word in ("-p", name, value)]
    target = folder / f"{seed}.ipynb"
    command(BIN / "papermill", NOTEBOOK, target, "-p", "seed", seed, *words)


def papermills(workers: int) -> Callable[[Path, int], None]:
    """Run all settings the plain way, some at a time."""

    def run(folder: Path, count: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda seed: papermill(folder, seed), range(count)))

    return run


def course(workers: int) -> Callable[[Path, int], None]:
    """Run all settings as one sweep."""

    def run(folder: Path, count: int) -> None:
        words = [word for name, value in FIXED.items() for word in ("-p", name, value)]
        grid = f"seed=0..{count - 1}"
        place = ("--out", folder / "out", "--workers", workers)
        command(BIN / "course", "sweep", "depth", "-g", grid, *words, *place)

    return run


def script(text: str) -> Callable[[Path, int], None]:
    """Run all settings in one Python process."""
    return lambda folder, count: command(sys.executable, "-c", text.format(count=count))


WAYS = {
    "papermill": papermills(1),
    "papermill, 2 processes": papermills(2),
    "course sweep, 1 worker": course(1),
    "course sweep, 2 workers": course(2),
    "a bare loop": script(LOOP),
    "one batched computation": script(BATCHED),
}


def seconds(way: Callable[[Path, int], None], count: int) -> float:
    """Time one way once."""
    folder = Path(tempfile.mkdtemp())
    try:
        start = time.perf_counter()
        way(folder, count)
        return time.perf_counter() - start
    finally:
        shutil.rmtree(folder)


def shown(path: Path) -> list:
    """Everything that the cells of an executed notebook show."""
    cells = nbformat.read(path, as_version=4).cells
    found = [output for cell in cells for output in cell.get("outputs", [])]
    return [(output.get("text"), output.get("data")) for output in found]


def same() -> bool:
    """Say whether a sweep's outputs are those of plain papermill, pictures included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        course(1)(folder, 3)
        for seed in range(3):
            papermill(folder, seed)
        ours = sorted((folder / "out" / "runs").glob("*.ipynb"))
        return all(shown(path) == shown(folder / f"{seed}.ipynb") for seed, path in enumerate(ours))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    shuffle = random.Random(0)
    whole: dict[str, list[float]] = {name: [] for name in WAYS}
    more: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name in shuffle.sample(list(WAYS), len(WAYS)):
            once = seconds(WAYS[name], COUNT)
            whole[name].append(once)
            start_up = name.startswith("papermill")  # every run has its own
            twice = 2 * once if start_up else seconds(WAYS[name], 2 * COUNT)
            more[name].append(twice - once)
    print(f"{'':24}  with start-up   without   (against papermill at as many workers)")
    for name in WAYS:
        rival = "papermill, 2 processes" if "2 " in name else "papermill"
        columns = [
            statistics.median(r / own for r, own in zip(times[rival], times[name], strict=True))
            for times in (whole, more)
        ]
        print(f"{name:24}  {columns[0]:10.1f}   {columns[1]:10.1f}")
    print("outputs as plain papermill's, bit by bit:", same())


if __name__ == "__main__":
    main()
