import ast
import builtins
import dataclasses
import importlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import experiment
from helpers.experiment import ParameterError


@dataclass(frozen=True)
class Knobs:
    depth: int = 1
    rate: float = 0.1
    name: str = "a"
    bias: float | None = None
    deep: bool = False
    sizes: tuple[int, ...] = ()
    forget: float | str | None = None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"depth": "12"}, {"depth": 12}),
        ({"depth": 12}, {"depth": 12}),
        ({"rate": "1e-3"}, {"rate": 0.001}),
        ({"rate": 2}, {"rate": 2}),
        ({"name": "relu"}, {"name": "relu"}),
        ({"bias": "None"}, {"bias": None}),
        ({"bias": None}, {"bias": None}),
        ({"bias": "0.05"}, {"bias": 0.05}),
        ({"deep": "True"}, {"deep": True}),
        ({"deep": "false"}, {"deep": False}),
        ({"sizes": "[1, 2]"}, {"sizes": (1, 2)}),
        ({"sizes": "3"}, {"sizes": (3,)}),
        ({"sizes": [4, 5]}, {"sizes": (4, 5)}),
        ({"sizes": "[]"}, {"sizes": ()}),
        ({"forget": "chrono"}, {"forget": "chrono"}),
        ({"forget": "1.5"}, {"forget": 1.5}),
        ({"forget": "none"}, {"forget": None}),
    ],
)
def test_values_are_read_as_the_dataclass_has_them(given, expected):
    assert experiment.read(Knobs, **given) == Knobs(**expected)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"depth": "ten"}, "depth must be a whole number, got 'ten'"),
        ({"depth": "1.5"}, "depth must be a whole number, got '1.5'"),
        ({"depth": 1.5}, "depth must be a whole number, got 1.5"),
        ({"depth": True}, "depth must be a whole number, got True"),
        ({"depth": None}, "depth must be a whole number, got None"),
        ({"rate": "fast"}, "rate must be a number, got 'fast'"),
        ({"name": 3}, "name must be a text, got 3"),
        ({"deep": "yes"}, "deep must be true or false, got 'yes'"),
        ({"bias": "much"}, "bias must be a number, got 'much'"),
        ({"sizes": "1,x"}, "sizes must be a whole number, got 'x'"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(given, words):
    with pytest.raises(ValueError, match="must be") as caught:
        experiment.read(Knobs, **given)
    assert str(caught.value) == words


def test_validation_leaves_one_sentence_and_no_traceback():
    with pytest.raises(ParameterError) as caught, experiment.validation():
        experiment.read(int, depth="x")
    assert caught.value._render_traceback_() == ["depth must be a whole number, got 'x'"]
    assert caught.value.__suppress_context__
    with pytest.raises(KeyError), experiment.validation():
        raise KeyError("a bug is not a wrong parameter")


def recorded(**results):
    """The notebook that IPython would make of a cell that records."""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "display", lambda data, raw: shown.append(data))
        experiment.record(**results)
    output = nbformat.v4.new_output("display_data", shown[0])
    cell = nbformat.v4.new_code_cell(outputs=[output])
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("x"), cell])


def test_results_come_back_as_they_were_recorded():
    notebook = recorded(
        accuracy=np.float64(0.5),
        steps=np.int64(3),
        loss=math.inf,
        low=-math.inf,
        curve=np.array([1.0, math.inf]),
        tensor=torch.tensor(2.5),
        stopped=None,
        name="relu",
        good=True,
    )
    nbformat.validate(notebook)
    data = notebook.cells[1].outputs[0].data
    assert json.loads(data["text/plain"]) == data["application/json"]
    found = experiment.results(nbformat.reads(nbformat.writes(notebook), as_version=4))
    assert found == {
        "accuracy": 0.5,
        "steps": 3,
        "loss": math.inf,
        "low": -math.inf,
        "curve": [1.0, math.inf],
        "tensor": 2.5,
        "stopped": None,
        "name": "relu",
        "good": True,
    }
    assert next(iter(found)) == "accuracy"
    assert math.isnan(experiment.results(recorded(loss=math.nan))["loss"])
    assert "Infinity" not in nbformat.writes(notebook)


def test_a_notebook_that_recorded_nothing_has_no_results():
    assert experiment.results(nbformat.v4.new_notebook()) == {}


def test_what_is_no_result_is_refused():
    with pytest.raises(TypeError, match="model must be a number, a text, None or a list"):
        experiment.record(model=torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="at least one"):
        experiment.record()


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=3,
    )
)
def test_results_go_through_json_and_back(results):
    written = json.dumps(experiment.to_json(results), allow_nan=False)
    # What holds a nan is not equal to itself; how it is written is.
    assert repr(experiment.from_json(json.loads(written))) == repr(results)


# ---- Defaults of the experiments against those of the library --------------------------

SOURCES = sorted((Path(__file__).parents[1] / "notebooks" / "source").glob("[a-z]*.py"))

# Where an experiment starts elsewhere than the dataclass that it fills, and why.
ELSEWHERE = {
    "depth": {
        "optimizer": "plain SGD has to live with the gradient as it is; Adam rescales it",
        "rate": "SGD needs larger steps than the Adam of the recipe",
        "steps": "one run of a sweep of hundreds: over in seconds",
    },
    "time_lag": {
        "rate": "the LSTM learns the adding problem over 50 steps at this rate",
        "steps": "and needs that many steps for it",
    },
    "phase_diagram": {
        "initialization": "normal weights of variance gain^2 / width: the gain is the axis",
        "bias_var": "the bias variance of the map of Schoenholz et al. 2017",
        "width": "the map holds 120 networks",
        "rate": "it is divided by the depth, which is 5 at least",
        "steps": "what the experiment claims of the border holds from 600 steps on",
    },
    "deep": {"depth": "it is what the experiment is about"},
}


def syntax_trees(notebook):
    return [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]


def imported(notebook):
    """What the notebook's imports from the library bring in, by name."""
    found = dict(vars(builtins))
    for cell in syntax_trees(notebook):
        for node in ast.walk(cell):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "helpers":
                for alias in node.names:
                    try:
                        value = importlib.import_module(f"{node.module}.{alias.name}")
                    except ModuleNotFoundError:
                        value = getattr(importlib.import_module(node.module), alias.name)
                    found[alias.asname or alias.name] = value
    return found


def named(node, names):
    """What a name, or a name with dots, stands for; None for any other expression."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(named(node.value, names), node.attr, None)
    return None


def starts(notebook):
    """Default in the notebook and in the dataclass, of each field read from its own name."""
    given, names, found = experiment.parameters(notebook), imported(notebook), {}
    for cell in syntax_trees(notebook):
        for call in ast.walk(cell):
            if not isinstance(call, ast.Call) or named(call.func, names) is not experiment.read:
                continue
            kind = named(call.args[0], names)
            if not dataclasses.is_dataclass(kind):
                continue
            defaults = {field.name: field.default for field in dataclasses.fields(kind)}
            for keyword in call.keywords:
                own = isinstance(keyword.value, ast.Name) and keyword.value.id == keyword.arg
                if own and keyword.arg in given:
                    found[keyword.arg] = (given[keyword.arg], defaults[keyword.arg])
    return found


def out_of_step(notebook, elsewhere):
    """What is wrong with the defaults of a notebook, in words."""
    found = starts(notebook)
    wrong = [f"{name}: not read" for name in elsewhere if name not in found]
    for name, (own, default) in found.items():
        if name in elsewhere and own == default:
            wrong.append(f"{name}: listed, and {own!r} all the same")
        if name not in elsewhere and own != default:
            wrong.append(f"{name}: {own!r}, elsewhere {default!r}")
    return wrong


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_an_experiment_starts_where_the_library_does_unless_it_says_why(source):
    notebook = jupytext.read(source)
    assert out_of_step(notebook, ELSEWHERE.get(source.stem, {})) == []
    assert starts(notebook)


def test_only_experiments_that_exist_are_excused():
    assert set(ELSEWHERE) <= {source.stem for source in SOURCES}
    assert all(len(reason) > 10 for listed in ELSEWHERE.values() for reason in listed.values())


TWO_CELLS = """
# %%
{imports}

# %% tags=["parameters"]
seed = 0
depth = 20
activation = "relu"
gain = 1.0
steps = 300
variances = [1.0]

# %%
with experiment.validation():
    seed = experiment.read(int, seed=seed)
    variances = experiment.read(tuple[float, ...], variances=variances)
    setting = experiment.read({setting}, depth=depth, activation=activation, gain=2 * gain)
    recipe = experiment.read({recipe}, steps=steps, rate=gain)
"""


@pytest.mark.parametrize(
    ("imports", "setting", "recipe"),
    [
        ("from helpers import experiment, models, train", "models.Setting", "train.Recipe"),
        (
            "from helpers import experiment\nfrom helpers.models import Setting as Net\n"
            "from helpers.train import Recipe",
            "Net",
            "Recipe",
        ),
    ],
)
def test_a_notebook_that_is_out_of_step_is_seen(imports, setting, recipe):
    text = TWO_CELLS.format(imports=imports, setting=setting, recipe=recipe)
    notebook = jupytext.reads(text, fmt="py:percent")
    # `gain` is read into other values, and into a field of another name: not compared.
    assert starts(notebook) == {
        "depth": (20, 20),
        "activation": ("relu", "tanh"),
        "steps": (300, 300),
    }
    assert out_of_step(notebook, {}) == ["activation: 'relu', elsewhere 'tanh'"]
    assert out_of_step(notebook, {"activation": "why"}) == []
    assert out_of_step(notebook, {"activation": "why", "depth": "why", "width": "why"}) == [
        "width: not read",
        "depth: listed, and 20 all the same",
    ]
    deeper = jupytext.reads(text.replace("depth = 20", "depth = 30"), fmt="py:percent")
    assert out_of_step(deeper, {"activation": "why"}) == ["depth: 30, elsewhere 20"]
