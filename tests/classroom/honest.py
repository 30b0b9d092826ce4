"""Honest students: right, partly right, unlucky, confused."""

import json
from collections.abc import Callable
from pathlib import Path

from classroom.answers import QUARTER, RIGHT, SLIPS, SLOPES, STUB
from classroom.cases import (
    CORRECT,
    ERROR,
    EXERCISE,
    FIRST_ONLY,
    MISSING,
    NOT_ATTEMPTED,
    NOT_HANDED_IN,
    TIMED_OUT,
    UNREADABLE,
    WRONG,
    Case,
    Points,
    make_case,
)
from classroom.forms import (
    answered_in_the_check,
    beside,
    copied,
    cut_off,
    from_colab,
    from_vscode,
    grown,
    in_one_cell,
    in_version_3,
    in_version_4_0,
    reordered,
    split,
    with_byte_order_mark,
    with_carriage_returns,
    with_cell,
    with_setup,
    without_metadata,
    without_outputs,
    without_the_cell,
)
from classroom.writing import FILE, as_bytes, block, hands_in, hands_over


def _honest(
    name: str,
    answer: str | Callable[[Path], None],
    why: str,
    points: Points = 5,
    statuses: frozenset[str] = CORRECT,
    **how: object,
) -> Case:
    write = answer if callable(answer) else hands_in(answer, **how)
    return make_case("honest", f"honest_{name}", write, points, statuses, why)


HONEST: tuple[Case, ...] = (
    *(
        _honest(f"right_{name.replace(' ', '_')}", source, "right, whatever the way and the dtype")
        for name, source in RIGHT[EXERCISE].items()
    ),
    *(
        _honest(
            f"slip_{name.replace(' ', '_')}",
            source,
            "a typical mistake keeps the points of the part that it gets right",
            points,
            WRONG,
        )
        for name, (source, points) in SLIPS[EXERCISE].items()
    ),
    # Right, in circumstances that break some graders
    _honest(
        "warning",
        """
        import warnings

        def sigmoid_chain_grad(x, depth):
            x = torch.tensor(x)  # torch warns: use clone().detach()
            warnings.warn("this is deprecated", DeprecationWarning)
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.nn.functional.sigmoid(x)
                slope = slope * x * (1 - x)
            np.log(np.zeros(1))  # divide by zero
            return slope
        """,
        "a warning is not a mistake",
    ),
    _honest(
        "prints",
        """
        def sigmoid_chain_grad(x, depth):
            print("called with", x, depth)
            slope = torch.ones_like(x)
            for i in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
                print("layer", i, "slope", slope)
            return slope

        print(sigmoid_chain_grad(torch.zeros(3), 2))
        """,
        "what is printed does not matter",
    ),
    _honest(
        "extra_imports",
        """
        import itertools
        from collections import deque

        import pandas as pd
        import torch.nn as nn
        import torch.nn.functional as F
        from scipy.special import expit

        def sigmoid_chain_grad(x, depth):
            h = expit(x.double().numpy())
            g = h * (1 - h)
            for _ in itertools.repeat(None, depth - 1):
                h = expit(h)
                g = g * h * (1 - h)
            return torch.as_tensor(g)
        """,
        "may import what is installed",
    ),
    _honest(
        "import_in_the_setup_cell",
        """
        def sigmoid_chain_grad(x, depth):
            g = torch.ones_like(x)
            for _ in range(depth):
                x = F.sigmoid(x)
                g = g * x * (1 - x)
            return g
        """,
        "works from top to bottom in the student's notebook, where the setup imports F",
        shape=with_setup("import torch.nn.functional as F"),
    ),
    _honest(
        "import_that_fails_elsewhere",
        SLOPES,
        "a cell that fails does not undo the answer, which needs nothing of it",
        shape=with_cell(
            "import a_package_that_only_i_have\nfancy = a_package_that_only_i_have.plot()"
        ),
    ),
    _honest(
        "helper_above",
        """
        def sigmoid_chain_grad(x, depth):
            out = torch.ones_like(x)
            for _ in range(depth):
                out = out * my_slope(x)
                x = torch.sigmoid(x)
            return out
        """,
        "the helper stands in a cell of its own",
        shape=with_cell("def my_slope(x):\n    s = torch.sigmoid(x)\n    return s * (1 - s)"),
    ),
    _honest(
        "helper_below",
        """
        def sigmoid_chain_grad(x, depth):
            out = torch.ones_like(x)
            for _ in range(depth):
                out = out * Slope.at(x)
                x = torch.sigmoid(x)
            return out
        """,
        "the helper is there by the time the function is called",
        shape=with_cell(
            """
            class Slope:
                one = 1

                @classmethod
                def at(cls, x):
                    return torch.sigmoid(x) * (cls.one - torch.sigmoid(x))
            """,
            after=True,
        ),
    ),
    _honest(
        "helper_in_another_exercise",
        """
        def sigmoid_chain_grad(x, depth):
            if depth == 1:
                return slope_of(x)
            return slope_of(x) * sigmoid_chain_grad(torch.sigmoid(x), depth - 1)
        """,
        "the helper stands where another exercise is answered",
        layers_until="""
        def slope_of(x):
            return torch.sigmoid(x) * torch.sigmoid(-x)

        def layers_until(factor, target):
            raise NotImplementedError  # later
        """,
    ),
    _honest(
        "plots",
        """
        import matplotlib.pyplot as plt

        inputs, _ = data.digits().batch(8, 0)

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope

        grid = torch.linspace(-6, 6, 200)
        fig, ax = plt.subplots()
        for depth in (1, 2, 3):
            ax.plot(grid, sigmoid_chain_grad(grid.clone(), depth), label=f"{depth} layers")
        ax.legend()
        plt.savefig("slopes.png")
        plt.show()
        """,
        "may draw, save a picture and load the course's data",
    ),
    _honest(
        "threads",
        """
        from concurrent.futures import ThreadPoolExecutor

        def sigmoid_chain_grad(x, depth):
            def slope(layer):
                h = x
                for _ in range(layer):
                    h = torch.sigmoid(h)
                return torch.sigmoid(h) * torch.sigmoid(-h)
            with ThreadPoolExecutor(max_workers=2) as pool:
                return math.prod(pool.map(slope, range(depth)))
        """,
        "may compute in a thread",
    ),
    _honest(
        "data_loader",
        """
        from torch.utils.data import DataLoader, TensorDataset

        def sigmoid_chain_grad(x, depth):
            batches = DataLoader(TensorDataset(x.reshape(-1)), batch_size=3)
            slopes = []
            for (h,) in batches:
                slope = torch.ones_like(h)
                for _ in range(depth):
                    h = torch.sigmoid(h)
                    slope = slope * h * (1 - h)
                slopes.append(slope)
            return torch.cat(slopes).reshape(x.shape)
        """,
        "may go through a data loader",
    ),
    _honest(
        "data_loader_with_workers",
        """
        from torch.utils.data import DataLoader, TensorDataset

        numbers = DataLoader(TensorDataset(torch.linspace(-1, 1, 8)), batch_size=4, num_workers=2)
        seen = torch.cat([batch for (batch,) in numbers])

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x) * seen.numel() / 8
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "a data loader may have processes of its own",
    ),
    _honest(
        "changes_global_settings",
        """
        import os

        torch.set_default_dtype(torch.float64)
        torch.set_printoptions(precision=3)
        torch.manual_seed(7)
        np.random.seed(7)
        os.environ["OMP_NUM_THREADS"] = "2"
        torch.set_num_threads(2)

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones(x.shape)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "settings are the student's own in the student's own process",
    ),
    _honest(
        "another_signature",
        """
        def sigmoid_chain_grad(inputs, n=1, *, eps=0.0, verbose=False):
            slope = torch.ones_like(inputs)
            for _ in range(n):
                inputs = torch.sigmoid(inputs)
                slope = slope * inputs * (1 - inputs + eps)
            return slope
        """,
        "the call is the same, whatever the parameters are called",
    ),
    _honest(
        "a_callable_object",
        """
        class Chain:
            def __init__(self, act):
                self.act = act

            def __call__(self, x, depth):
                g = torch.ones_like(x)
                for _ in range(depth):
                    x = self.act(x)
                    g = g * x * (1 - x)
                return g

        sigmoid_chain_grad = Chain(torch.sigmoid)
        """,
        "it can be called and answers right",
    ),
    _honest(
        "decorated_and_cached",
        """
        import functools

        def counted(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                wrapper.calls += 1
                return function(*args, **kwargs)
            wrapper.calls = 0
            return wrapper

        @counted
        @torch.no_grad()
        def sigmoid_chain_grad(x, depth):
            return functools.reduce(torch.mul, slopes(x, depth))

        def slopes(x, depth):
            for _ in range(depth):
                x = torch.sigmoid(x)
                yield x * (1 - x)
        """,
        "decorators and generators are fine",
    ),
    _honest(
        "other_letters",
        """
        # ∂y/∂x ist ein Produkt 😀, gelöst von Zoë und 李雷
        def sigmoid_chain_grad(x, depth):
            größe = torch.sigmoid
            produkt = torch.ones_like(x)
            for _ in range(depth):
                x = größe(x)
                produkt = produkt * x * (1 - x)
            return produkt
        """,
        "Python allows these letters",
        encode=lambda book: json.dumps(book, ensure_ascii=False).encode(),
    ),
    _honest("Zoë, Müller; 李雷", SLOPES, "a name may hold commas and letters of any script"),
    _honest(
        "magics",
        """
        %matplotlib inline
        %config InlineBackend.figure_format = "retina"

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope

        %timeit -n1 -r1 sigmoid_chain_grad(torch.zeros(3), 2)
        sigmoid_chain_grad?
        """,
        "notebooks have magics; the function between them is right",
    ),
    _honest(
        "cell_magic",
        "%%time\n" + block(SLOPES),
        "timing a cell changes nothing",
    ),
    _honest(
        "installs_something",
        "!pip install numpy\n%pip install scipy\n" + block(SLOPES),
        "there is nothing to install here, and the answer is right",
    ),
    _honest(
        "display",
        block(SLOPES) + "\n\ndisplay(sigmoid_chain_grad(torch.zeros(2), 1))",
        "notebooks know display",
    ),
    _honest(
        "main_guard",
        """
        if __name__ == "__main__":
            def step(h):
                return torch.sigmoid(h)

        def sigmoid_chain_grad(x, depth):
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = step(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "in a notebook the name is __main__",
    ),
    _honest(
        "error_after_the_definition",
        block(SLOPES) + "\n\nassert sigmoid_chain_grad(torch.zeros(1), 1) == 0.26, 'hm'",
        "the student's own test is wrong, and the function is there and right",
    ),
    _honest(
        "error_above_in_another_cell",
        SLOPES,
        "a person runs on after a cell that fails",
        shape=with_cell("1 / 0"),
    ),
    _honest(
        "syntax_error_elsewhere",
        SLOPES,
        "the broken cell is another exercise's",
        norm_per_layer="def norm_per_layer(norms)\n    return norms[0",
    ),
    _honest(
        "cpu_loop_elsewhere",
        SLOPES,
        "the endless cell is another exercise's",
        layers_until="""
        def layers_until(factor, target):
            n = 0
            while factor > target:
                n += 1
            return n

        print(layers_until(0.5, 0.001))
        """,
    ),
    _honest(
        "takes_a_moment",
        """
        import time

        time.sleep(0.5)

        def sigmoid_chain_grad(x, depth):
            time.sleep(0.01)
            slope = torch.ones_like(x)
            for _ in range(depth):
                x = torch.sigmoid(x)
                slope = slope * x * (1 - x)
            return slope
        """,
        "slow and right",
    ),
    # Notebooks that have been through something
    _honest("metadata_lost", SLOPES, "tags belong to us", shape=without_metadata),
    _honest("outputs_cleared", SLOPES, "only the code counts", shape=without_outputs),
    _honest("from_colab", SLOPES, "the answer survived the trip", shape=from_colab),
    _honest("from_vscode", SLOPES, "the answer survived the trip", shape=from_vscode),
    _honest("version_3", SLOPES, "an old format is still a notebook", shape=in_version_3),
    _honest("version_4_0", SLOPES, "an old format is still a notebook", shape=in_version_4_0),
    _honest("carriage_returns", SLOPES, "made on Windows", encode=with_carriage_returns),
    _honest("byte_order_mark", SLOPES, "made on Windows", encode=with_byte_order_mark),
    _honest("ten_megabytes", SLOPES, "a large picture, a right answer", shape=grown),
    _honest(
        "duplicated_right_last",
        QUARTER,
        "the last definition holds, as when run from top to bottom",
        shape=with_cell(SLOPES, after=True),
    ),
    _honest(
        "duplicated_right_first",
        QUARTER,
        "the last definition holds, as when run from top to bottom",
        FIRST_ONLY,
        WRONG,
        shape=with_cell(SLOPES),
    ),
    _honest(
        "copied_cell",
        SLOPES,
        "the same cell twice, with the same id",
        shape=copied,
    ),
    _honest(
        "answer_below_the_stub",
        STUB,
        "the answer is in a cell of its own, after the untouched stub",
        shape=with_cell(SLOPES, after=True),
    ),
    _honest(
        "stub_left_below",
        STUB,
        "the answer is in a cell of its own; an untouched stub is nobody's answer",
        shape=with_cell(SLOPES),
    ),
    _honest(
        "answer_in_the_check_cell",
        SLOPES,
        "the answer is there, with the check below it",
        shape=answered_in_the_check,
    ),
    _honest("reordered", SLOPES, "cells may move", shape=reordered),
    _honest(
        "all_in_one_cell",
        SLOPES,
        "cells may be merged",
        shape=in_one_cell,
        layers_until=RIGHT["layers_until"]["multiplying"],
    ),
    _honest(
        "split_cell",
        "one = 1\n\n\n" + block(SLOPES).replace("(1 - x)", "(one - x)"),
        "cells may be split",
        shape=split,
    ),
    _honest(
        "note_in_markdown",
        SLOPES,
        "what is not code is not run",
        shape=with_cell(
            "    def sigmoid_chain_grad(x, depth): return 0", after=True, kind="markdown"
        ),
    ),
    _honest("renamed_copy", SLOPES, "a browser renamed it", file="01_theory (1).ipynb"),
    _honest("another_file_name", SLOPES, "it is the one notebook there", file="homework.ipynb"),
    _honest("in_a_subfolder", SLOPES, "it is the one notebook there", file=f"week 1/{FILE}"),
    _honest(
        "checkpoint_beside_it",
        beside(
            hands_in(SLOPES),
            hands_in(QUARTER, file=".ipynb_checkpoints/01_theory-checkpoint.ipynb"),
        ),
        "Jupyter's own older copy is not what was handed in",
    ),
    _honest(
        "other_files_beside_it",
        beside(
            hands_in(SLOPES),
            hands_over(b"%PDF-1.7\n", "report.pdf"),
            hands_over(b"def sigmoid_chain_grad(x, depth):\n    return x\n", "scratch.py"),
        ),
        "only the notebook is graded",
    ),
    # Partly right, or not
    _honest(
        "half_precision",
        block(SLOPES).replace("return slope", "return slope.half()"),
        "three digits are too few, except for a quarter, which float16 holds exactly",
        FIRST_ONLY,
        WRONG,
    ),
    _honest(
        "not_finished",
        """
        def sigmoid_chain_grad(x, depth):
            if depth > 1:
                raise NotImplementedError("todo")
            return torch.sigmoid(x) * torch.sigmoid(-x)
        """,
        "one layer is right",
        FIRST_ONLY,
        frozenset({"error", "wrong"}),
    ),
    _honest(
        "cpu_loop_when_deep",
        """
        def sigmoid_chain_grad(x, depth):
            slope = 0.25 * torch.ones_like(x)
            while depth > 1:
                slope = slope * 0.25
            return slope
        """,
        "one layer is right, and then it never comes back",
        FIRST_ONLY,
        TIMED_OUT,
    ),
    _honest(
        "right_shape_wrong_values",
        "def sigmoid_chain_grad(x, depth):\n    return torch.tanh(x) + depth",
        "the shape alone earns nothing",
        0,
        WRONG,
    ),
    _honest(
        "flattened",
        block(SLOPES).replace("return slope", "return slope.flatten()"),
        "the same shape as x was asked for",
        0,
        WRONG,
    ),
    _honest(
        "not_a_number",
        "def sigmoid_chain_grad(x, depth):\n    return (x - x) / (x - x)",
        "NaN is no derivative",
        0,
        WRONG,
    ),
    _honest(
        "infinite",
        "def sigmoid_chain_grad(x, depth):\n    return depth / (x * 0)",
        "nor is infinity",
        0,
        WRONG,
    ),
    _honest(
        "return_forgotten",
        block(SLOPES).replace("return slope", "print(slope)"),
        "nothing came back",
        0,
        WRONG,
    ),
    _honest(
        "pass_left",
        "def sigmoid_chain_grad(x, depth):\n    pass",
        "nothing was written",
        0,
        WRONG | NOT_ATTEMPTED,
    ),
    _honest(
        "as_text",
        block(SLOPES).replace("return slope", "return str(slope)"),
        "text is not a tensor",
        0,
        WRONG,
    ),
    _honest(
        "exception",
        "def sigmoid_chain_grad(x, depth):\n    return x + 1 / len([])",
        "it cannot divide by zero",
        0,
        ERROR,
    ),
    _honest(
        "no_scalars",
        """
        def sigmoid_chain_grad(x, depth):
            slope = torch.ones(len(x))
            for i in range(len(x)):
                slope[i] = torch.sigmoid(x[i]) * torch.sigmoid(-x[i])
            return slope
        """,
        "any shape was asked for, the one without axes too, and any depth",
        0,
        WRONG,
    ),
    _honest(
        "recursion_without_end",
        """
        def sigmoid_chain_grad(x, depth):
            s = torch.sigmoid(x)
            return s * (1 - s) * sigmoid_chain_grad(s, depth - 1)
        """,
        "the recursion has no end",
        0,
        ERROR,
    ),
    _honest(
        "one_argument",
        "def sigmoid_chain_grad(x):\n    return torch.sigmoid(x) * torch.sigmoid(-x)",
        "it cannot be called with a depth",
        0,
        ERROR,
    ),
    _honest(
        "arguments_swapped",
        block(SLOPES).replace("(x, depth)", "(depth, x)"),
        "the task says which comes first",
        0,
        ERROR,
    ),
    _honest(
        "syntax_error",
        block(SLOPES).replace("for _ in range(depth):", "for _ in range(depth)"),
        "it does not run",
        0,
        ERROR,
    ),
    _honest(
        "indentation_error",
        "def sigmoid_chain_grad(x, depth):\nreturn torch.sigmoid(x)",
        "it does not run",
        0,
        ERROR,
    ),
    _honest(
        "too_much_memory",
        """
        def sigmoid_chain_grad(x, depth):
            jacobian = torch.zeros(10**7, 10**7)
            return jacobian.diagonal()[: x.numel()].reshape(x.shape)
        """,
        "no machine has that much",
        0,
        ERROR | {"out of memory"},
    ),
    _honest("untouched", STUB, "not tried", 0, NOT_ATTEMPTED),
    _honest("cell_emptied", "", "nothing there", 0, MISSING | NOT_ATTEMPTED),
    _honest("cell_deleted", SLOPES, "nothing there", 0, MISSING, shape=without_the_cell),
    _honest(
        "another_function_name",
        block(SLOPES).replace(EXERCISE, "sigmoid_chain_gradient"),
        "asked for under another name: a person must look",
        0,
        MISSING,
    ),
    # Not a notebook
    _honest("nothing", lambda folder: None, "an empty folder", 0, NOT_HANDED_IN),
    _honest(
        "another_document",
        hands_over(b"PK\x03\x04 my answers", "01_theory.docx"),
        "a text document is no notebook",
        0,
        NOT_HANDED_IN | UNREADABLE,
    ),
    _honest("empty_file", hands_over(b""), "nothing in it", 0, UNREADABLE),
    _honest(
        "no_cells",
        hands_over(as_bytes({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})),
        "a new notebook, never written in",
        0,
        MISSING,
    ),
    _honest("not_a_notebook", hands_over(b"\x89PNG\r\n\x1a\n"), "a picture", 0, UNREADABLE),
    _honest("a_list", hands_over(b"[1, 2, 3]\n"), "JSON, and no notebook", 0, UNREADABLE),
    _honest("cut_off", hands_in(SLOPES, encode=cut_off), "half a file", 0, UNREADABLE),
)
