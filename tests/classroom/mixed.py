"""The hostile students together, two neighbours, and mixed classes of any size."""

import itertools
import random
from dataclasses import replace

from classroom.answers import RIGHT, SLIPS, SLOPES, STUB
from classroom.bombs import BOMBS
from classroom.cases import CORRECT, EXERCISE, NOT_ATTEMPTED, WRONG, Case, make_case
from classroom.comparisons import COMPARISONS
from classroom.forgeries import FORGERIES
from classroom.forms import from_colab, from_vscode, without_metadata
from classroom.loops import LOOPS_AND_ENDS
from classroom.notebooks import NOTEBOOKS
from classroom.notes import NOTES
from classroom.odd_answers import ODD_ANSWERS
from classroom.thefts import THEFTS
from classroom.ways_out import WAYS_OUT
from classroom.writing import hands_in, joined

POINTS_OF = {
    "sigmoid_chain_grad": {"one layer": 2, "any depth": 3},
    "layers_until": {"targets met exactly": 1, "any factor and target": 3},
    "backward_deltas": {"one step": 2, "the whole stack": 3},
    "norm_per_layer": {"two layers": 1, "many layers": 3},
}


HOSTILE: tuple[Case, ...] = (
    *LOOPS_AND_ENDS,
    *BOMBS,
    *COMPARISONS,
    *ODD_ANSWERS,
    *FORGERIES,
    *THEFTS,
    *WAYS_OUT,
    *NOTES,
    *NOTEBOOKS,
)

# What a class may hold on an ordinary day: mostly mistakes and clumsy tricks.
_ASSORTED = {
    f"hostile_{name}"
    for name in (
        "cpu_loop_in_the_call",
        "wait_sleep",
        "exit_at_once_in_the_call",
        "null_pointer",
        "memory_numpy",
        "patched_comparisons",
        "answer_lying_tensor",
        "queued_in_advance",
        "imports_the_reference",
        "walks_the_file_system",
        "calls_out",
        "survives",
        "note_1_writer",
        "deep_json",
    )
}


TAKEN = "by the neighbour, and nobody else"  # stands in the neighbours' answers only


def neighbours() -> tuple[Case, Case]:
    """Return two ordinary right submissions: one sorts before each case, one after it."""
    answer = joined(f"# {TAKEN}", SLOPES)
    why = "right, whatever the student between them does"
    before = make_case("honest", "a_neighbour", hands_in(answer), 5, CORRECT, why)
    after = make_case("honest", "z_neighbour", hands_in(answer), 5, CORRECT, why)
    return before, after


def class_of(size: int, hostile_share: float = 0.05, seed: int = 0) -> list[Case]:
    """Return a mixed class whose students have tried all exercises of the lesson.

    Args:
        size: How many students.
        hostile_share: Which share of them is hostile, rounded to whole students.
        seed: Draws another class.
    """
    draw = random.Random(seed)
    attacks = [case for case in HOSTILE if case.name in _ASSORTED]
    # Every kind once before any comes again: each class has its endless loop.
    kinds = itertools.cycle(draw.sample(attacks, len(attacks)))
    places = draw.sample(range(size), round(hostile_share * size))
    hostile = dict(zip(places, kinds, strict=False))
    cases = []
    for index in range(size):
        name = f"student_{index + 1:03d}"
        ordinary = _ordinary(name, draw)
        cases.append(replace(hostile[index], name=name) if index in hostile else ordinary)
    return cases


def _ordinary(name: str, draw: random.Random) -> Case:
    """Draw an honest student, who has tried most exercises."""
    sources, points = {}, {}
    for exercise in RIGHT:
        luck = draw.random()
        if luck < 0.6:
            sources[exercise] = draw.choice(list(RIGHT[exercise].values()))
            points[exercise] = sum(POINTS_OF[exercise].values())
        elif luck < 0.85:
            sources[exercise], points[exercise] = draw.choice(list(SLIPS[exercise].values()))
    mine = sources.pop(EXERCISE, STUB)
    earned = points.pop(EXERCISE, 0)
    status = CORRECT if earned == 5 else WRONG if mine != STUB else NOT_ATTEMPTED
    shape = draw.choice([None, None, None, without_metadata, from_colab, from_vscode])
    why = "an ordinary student: right, partly right, or not attempted"
    write = hands_in(mine, shape, **sources)
    return Case(name, "honest", write, earned, status, why, others=points)
