import json
import math
from dataclasses import dataclass

import nbformat
import numpy as np
import pytest
import torch

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
