"""Say in sentences how a sweep went, and which of its settings did best and worst."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from helpers import text
from helpers.sweeps.report import wording
from helpers.sweeps.report.runs import RUN_COLUMNS, Grid, Run, Spread, grouped, spread_of

# What is better, where the name of a result says it.
_LOWER = {"loss", "error", "errors", "perplexity", "nll", "mse", "mae", "rmse", "seconds", "time"}
_HIGHER = {"accuracy", "acc", "score", "auc", "f1", "r2", "precision", "recall"}


def counts(runs: Sequence[Run], grid: Grid) -> str:
    """Say how many runs there are, over what, and how they went."""
    count = Counter(run.status for run in runs)
    over = [f"{name} ({text.count(len(values), 'value')})" for name, values in grid.items()]
    return (
        f"{text.count(len(runs), 'run')}{' over ' if over else ''}{text.listed(over)}: "
        f"{count['finished']} finished, {count['failed']} failed, {count['missing']} not yet run."
    )


def facts(
    table: pd.DataFrame, runs: Sequence[Run], swept: Sequence[str], results: Sequence[str]
) -> list[str]:
    """Return what holds for the sweep as a whole: what was kept fixed, what it took."""
    others = [name for name in table.columns if name not in (*swept, *results, *RUN_COLUMNS)]
    labels = {name: {wording.label(value) for value in table[name].tolist()} for name in others}
    fixed = {name: min(values) for name, values in labels.items() if len(values) == 1}
    said = [f"The same in all runs: {wording.setting(fixed)}."] if fixed else []
    seconds = [run.seconds for run in runs if math.isfinite(run.seconds)]
    if sum(seconds) > 0:
        share = f", {_time(sum(seconds) / len(seconds))} per run" if len(seconds) > 1 else ""
        said.append(f"It took {_time(sum(seconds))} of computing{share}.")
    return said


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{text.number(seconds, 2)} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class Answer:
    """A sentence with its numbers in front, and links to the notebooks of its runs."""

    lead: str
    rest: str
    links: tuple[tuple[str, str], ...]  # words, address

    def __str__(self) -> str:
        return f"{self.lead}{self.rest}."


def _ends(result: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return the words for the two ends of a result, 1 with the end that is highest."""
    words = set(re.split(r"[^a-z0-9]+", result.lower()))
    if words & _LOWER:
        return ("Best", -1), ("Worst", 1)
    return (("Best", 1), ("Worst", -1)) if words & _HIGHER else (("Highest", 1), ("Lowest", -1))


def extremes(runs: Sequence[Run], axes: Sequence[str], result: str) -> list[Answer]:
    """Say which settings did best and worst, each with its best or worst run."""
    groups = grouped(runs, axes)
    spreads = {key: spread_of(group, result) for key, group in groups.items()}
    means = {key: spread.mean for key, spread in spreads.items() if not math.isnan(spread.mean)}
    if len(means) > 1 and len(set(means.values())) == 1:
        value = wording.number(next(iter(means.values())))
        return [Answer(f"{result}: {value}", f" in each of the {len(means)} settings", ())]
    if len(means) == 1:
        (key,) = means
        links = [link for end in _ends(result) for link in _links(groups[key], result, *end)]
        unique = tuple({address: (words, address) for words, address in links}.values())
        alone = ", the only setting with a number" if len(groups) > 1 else ""
        where = _where(axes, key) + alone + _over_seeds(spreads[key])
        return [Answer(f"{result}: {wording.number(means[key])}", where, unique)]
    answers = []
    for word, sign in _ends(result) if means else ():
        key = max(means, key=lambda key: sign * means[key])
        ties = sum(mean == means[key] for mean in means.values()) - 1
        where = _where(axes, key) + (f" and {text.count(ties, 'other setting')}" if ties else "")
        answers.append(
            Answer(
                f"{word} {result}: {wording.number(means[key])}",
                where + _over_seeds(spreads[key]),
                _links(groups[key], result, word, sign),
            )
        )
    return answers


def _where(axes: Sequence[str], key: Sequence[str]) -> str:
    return f" at {wording.setting(dict(zip(axes, key, strict=True)))}" if axes else ""


def _links(runs: Sequence[Run], result: str, word: str, sign: int) -> tuple[tuple[str, str], ...]:
    """Return the link to the run of a setting that lies at one end, if it has a notebook."""
    numbered = [run for run in runs if not math.isnan(run.numbers[result])]
    run = max(numbered, key=lambda run: sign * run.numbers[result])
    if not run.notebook:
        return ()
    several = len({run.numbers[result] for run in numbered}) > 1
    words = f"its {word.lower()} run, seed {run.labels['seed']}" if several else "its notebook"
    return ((words, run.link),)


def _over_seeds(spread: Spread) -> str:
    if spread.runs == 1:
        return ""
    of = "" if spread.count == spread.runs else f" of {spread.runs}"
    if spread.count == 1:
        return f" (one{of} seeds)"
    if spread.low == spread.high:
        return f" (the same for {spread.count}{of} seeds)"
    low, high = wording.number(spread.low), wording.number(spread.high)
    return f" (mean of {spread.count}{of} seeds, {low} to {high})"


def why_nothing(runs: Sequence[Run]) -> str:
    """Say why there is no number at all."""
    count = Counter(run.status for run in runs)
    if count["finished"]:
        return "No finished run recorded a number."
    return "Every run failed." if not count["missing"] else "No run has finished yet."


def left_out(results: Sequence[str], numeric: Sequence[str], drawn: Sequence[str]) -> list[str]:
    """Say which results have no picture, and which of them no number."""
    sentences = []
    rest = [name for name in numeric if name not in drawn]
    if drawn and rest:
        sentences.append(f"Not drawn, but in the tables: {text.listed(rest)}.")
    silent = [name for name in results if name not in numeric]
    if silent and numeric:
        sentences.append(f"No run recorded a number for {text.listed(silent)}.")
    return sentences


def failures(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """Return the runs that failed by what they say, the most frequent first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.status == "failed":
            groups.setdefault(run.error or "No error was recorded.", []).append(run)
    return sorted(groups.items(), key=lambda item: -len(item[1]))
