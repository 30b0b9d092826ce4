"""Time pieces of code against each other, fairly: in turn, many times, by CPU time."""

import random
import statistics
import time
from collections.abc import Callable, Mapping


def compare(pieces: Mapping[str, Callable[[], object]], rounds: int = 15) -> None:
    """Print each piece's time as a ratio to the first, from one interleaved run.

    Every round runs every piece once, in a fresh random order, and yields one
    ratio per piece; the table shows their median and quartiles. Ratios survive a
    machine whose speed drifts; single times do not.

    Args:
        pieces: What to run, by name; the first is the reference.
        rounds: How many ratios to take.
    """
    names = list(pieces)
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for piece in pieces.values():
        piece()
    shuffle = random.Random(0)
    for _ in range(rounds):
        seconds = {}
        for name in shuffle.sample(names, len(names)):
            start = time.process_time()
            pieces[name]()
            seconds[name] = time.process_time() - start
        for name in names:
            ratios[name].append(seconds[name] / seconds[names[0]])
    width = max(map(len, names))
    print(f"{'':{width}}   ratio   (quartiles), CPU time, {rounds} rounds")
    for name in names:
        low, middle, high = statistics.quantiles(ratios[name], n=4)
        print(f"{name:{width}}   {middle:5.3f}   ({low:.3f} to {high:.3f})")
