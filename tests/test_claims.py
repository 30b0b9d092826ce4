import math
import re
from email.message import Message

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from helpers import claims, progress
from helpers.claims import ClaimError, claim, predict, published

HOLDS = [
    ({"equals": 0.5}, 0.5, "✓ share: 0.5 (claimed exactly 0.5)"),
    ({"equals": 2**-10}, 0.5**10, "✓ share: 0.000977 (claimed exactly 0.0009765625)"),
    ({"equals": 0}, -0.0, "✓ share: 0 (claimed exactly 0)"),
    ({"equals": math.inf}, math.inf, "✓ share: inf (claimed exactly inf)"),
    ({"equals": 12_345}, 12_345, "✓ share: 12345 (claimed exactly 12345)"),
    ({"about": 0.141, "within": 0.03}, 0.1404, "✓ share: 0.14 (claimed within 3 % of 0.141)"),
    ({"about": -2, "within": 0.005}, -2.009, "✓ share: -2.01 (claimed within 0.5 % of -2)"),
    (
        {"about": math.sqrt(2), "within": 0.01},
        1.41,
        "✓ share: 1.41 (claimed within 1 % of 1.41421)",
    ),
    ({"about": 1e-3, "factor": 2}, 0.0019, "✓ share: 0.0019 (claimed within a factor 2 of 1e-3)"),
    ({"about": 1e-3, "factor": 2.0}, 5e-4, "✓ share: 0.0005 (claimed within a factor 2 of 1e-3)"),
    ({"above": 0.9}, 0.9171, "✓ share: 0.917 (claimed above 0.9)"),
    ({"below": 1e-3}, 2.123e-19, "✓ share: 2.12e-19 (claimed below 1e-3)"),
    (
        {"between": (0.0035, 0.0055)},
        0.0035,
        "✓ share: 0.0035 (claimed between 0.0035 and 0.0055)",
    ),
]

FAILS = [
    ({"equals": 0.3}, 0.1 + 0.2),
    ({"about": 0.141, "within": 0.03}, 0.1453),
    ({"about": 0.141, "within": 0.03}, -0.141),
    ({"about": 1e-3, "factor": 2}, 0.0021),
    ({"about": 1e-3, "factor": 2}, 0.00049),
    ({"about": 1e-3, "factor": 2}, -1e-3),
    ({"above": 0.9}, 0.9),
    ({"below": 1e-3}, 1e-3),
    ({"between": (0.0035, 0.0055)}, 0.00551),
    ({"between": (0.0035, 0.0055)}, 0.00349),
]


@pytest.mark.parametrize(("criterion", "measured", "line"), HOLDS)
def test_a_claim_that_holds_prints_one_line(criterion, measured, line, capsys):
    claim("share", measured, **criterion)
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.parametrize(("criterion", "measured"), FAILS)
def test_a_claim_that_fails_raises(criterion, measured, capsys):
    with pytest.raises(ClaimError, match=f"^Claim failed: share: measured {measured!r}, claimed "):
        claim("share", measured, **criterion)
    assert capsys.readouterr().out.startswith("✗ share: measured ")


@pytest.mark.parametrize("criterion", [criterion for criterion, *_ in HOLDS])
@pytest.mark.parametrize("drifts", [False, True])
def test_nan_meets_no_criterion(criterion, drifts):
    with pytest.raises(ClaimError):
        claim("share", math.nan, **criterion, drifts=drifts)


def test_a_claim_error_is_an_assertion_error():
    with pytest.raises(AssertionError, match=r"^Claim failed: the unit is dead$"):
        claim("the unit is dead", False)


@pytest.mark.parametrize("truth", [True, np.True_, torch.tensor(True)])
def test_a_truth_needs_no_criterion(truth, capsys):
    claim("the unit is dead", truth)
    assert capsys.readouterr().out == "✓ the unit is dead: holds\n"


def test_fewer_digits_hide_what_rounding_moves(capsys):
    for measured in (3.26, 3.27):
        claim("factor", measured, above=1.8, digits=1)
    assert set(capsys.readouterr().out.splitlines()) == {"✓ factor: 3 (claimed above 1.8)"}
    with pytest.raises(ValueError, match="digits must be between 1 and 15, got 0"):
        claim("factor", 3.26, above=1.8, digits=0)
    for guess in (None, 3):
        predict("Factor?", guess).compare(3.26, digits=1)
        assert re.search(r"[Mm]easured:? 3[.:]", capsys.readouterr().out)


def test_a_number_that_drifts_is_marked(capsys):
    claim("accuracy", 0.91712345, above=0.9, drifts=True)
    assert capsys.readouterr().out == "✓ accuracy: ≈0.917 (claimed above 0.9)\n"
    with pytest.raises(ClaimError):
        claim("accuracy", 0.89, above=0.9, drifts=True)


@pytest.mark.parametrize(
    "half",
    [
        torch.tensor(0.5),
        torch.tensor(0.5, requires_grad=True),
        torch.tensor(0.5, dtype=torch.bfloat16),
        np.float32(0.5),
        np.array(0.5),
    ],
)
def test_a_wrapped_number_is_a_number(half, capsys):
    claim("share", half, equals=0.5)
    assert capsys.readouterr().out == "✓ share: 0.5 (claimed exactly 0.5)\n"


def test_a_bound_may_be_wrapped_too(capsys):
    claim("share", 0.5, about=torch.tensor(0.5), within=np.float32(0.5))
    claim("count", np.int64(1234), above=np.float64(3))
    assert "within 50 % of 0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    "measured", [torch.ones(1), np.ones(2), "0.5", None, [0.5], 1j, torch.tensor(1j), 10**400]
)
def test_anything_else_is_no_measurement(measured):
    with pytest.raises(TypeError, match=r"^measured must "):
        claim("share", measured, above=0)
    with pytest.raises(TypeError, match=r"^measured must "):
        predict("How much?", 1).compare(measured)


@pytest.mark.parametrize(
    ("criterion", "sentence"),
    [
        ({}, "exactly one of .* got none"),
        ({"above": 1, "below": 3}, "exactly one of .* got above and below"),
        ({"about": 1}, "about needs within, such as 0.03, or factor"),
        ({"about": 1, "within": 0.1, "factor": 2}, "and not both"),
        ({"above": 1, "within": 0.1}, "within and factor belong to about"),
        ({"about": 0, "within": 0.1}, "about must not be 0"),
        ({"about": 1, "within": 0.0}, "within must be above 0"),
        ({"about": 1, "factor": 1}, "factor must be above 1"),
        ({"between": (2, 1)}, "from the lower bound to the higher one, got 2 and 1"),
        ({"above": math.nan}, "above must be finite, got nan"),
        ({"equals": math.nan}, "equals must be finite, got nan"),
        ({"below": math.inf}, "below must be finite, got inf"),
    ],
)
def test_a_criterion_that_makes_no_sense_is_refused(criterion, sentence, capsys):
    with pytest.raises(ValueError, match=sentence):
        claim("share", 2.0, **criterion)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("criterion", [{"above": "1"}, {"equals": True}, {"between": 3}])
def test_a_bound_that_is_no_number_is_refused(criterion):
    with pytest.raises(TypeError, match=f"^{next(iter(criterion))} must be"):
        claim("share", 2.0, **criterion)


@pytest.mark.parametrize("several", [torch.ones(3), np.ones((2, 1))])
def test_one_number_is_asked_for_where_several_are_given(several):
    sentence = rf"got shape \({', '.join(map(str, several.shape))},?\); pass its largest entry"
    with pytest.raises(TypeError, match=f"^measured must be one number, {sentence}"):
        claim("share", several, above=0)
    for criterion in ({"above": several}, {"about": 1, "within": several}, {"equals": several}):
        *_, name = criterion
        with pytest.raises(TypeError, match=f"^{name} must be one number, {sentence}"):
            claim("share", 2.0, **criterion)


def test_a_truth_with_a_criterion_is_refused():
    with pytest.raises(ValueError, match="True or False needs no criterion, got equals"):
        claim("share", True, equals=1)


def test_a_statement_is_one_line_of_words(capsys):
    claim("a long\n    statement", True)
    assert capsys.readouterr().out == "✓ a long statement: holds\n"
    with pytest.raises(TypeError, match=r"^statement must be a few words"):
        claim(" ", True)
    with pytest.raises(TypeError, match=r"^statement must be a few words"):
        claim(0.5, 0.5, equals=0.5)


def said(capsys, guess, measured):
    """What the cell after the guess prints."""
    prediction = predict("How much?", guess)
    capsys.readouterr()
    prediction.compare(measured)
    out = capsys.readouterr().out
    assert out.startswith("How much? ")
    assert out.count("\n") == 1
    return out.removeprefix("How much? ").rstrip("\n")


def answered(capsys, guess):
    """What the cell with the guess prints."""
    predict("How much?", guess)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return out.rstrip("\n")


def test_without_a_prediction_it_says_how_to_make_one_and_then_the_number(capsys):
    assert answered(capsys, None) == (
        "How much? Write a number such as 0.01 or 1e-6 in place of None, and run this cell again."
    )
    assert said(capsys, None, torch.tensor(0.5**10)) == "Measured: 0.000977."


def test_a_prediction_is_repeated_before_the_measurement(capsys):
    assert answered(capsys, 1e-4) == "You say 1e-4. Run the next cell."


@pytest.mark.parametrize(
    ("guess", "measured", "verdict"),
    [
        (0.1, 0.5**10, "You said 0.1, measured 0.000977: 2.0 decades too high."),
        (1e-9, 1e-6, "You said 1e-9, measured 1e-6: 3.0 decades too low."),
        (5, 10, "You said 5, measured 10: within a factor 2, well predicted."),
        (4.9, 10, "You said 4.9, measured 10: 0.3 decades too low."),
        (3, 3, "You said 3, measured 3: exactly right, well predicted."),
        (0, 0.0, "You said 0, measured 0: exactly right, well predicted."),
        (-10, -0.1, "You said -10, measured -0.1: 2.0 decades too low."),
        (-1, 0.1, "You said -1, measured 0.1: the other sign."),
        (0, 0.1, "You said 0, measured 0.1: no number of decades lies between them."),
        (1, 0, "You said 1, measured 0: no number of decades lies between them."),
        (1, math.nan, "You said 1, measured NaN: no number of decades lies between them."),
        (5e-324, 1e308, "You said 5e-324, measured 1e308: 631.3 decades too low."),
    ],
)
def test_a_prediction_is_compared_in_decades(guess, measured, verdict, capsys):
    assert said(capsys, guess, measured) == verdict


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("10^-6", "You say -16: in Python 10^-6 is that and no power. Write 1e-6, and"),
        ("10 ^ 6", "You say 12: in Python 10^6 is that and no power. Write 1e6, and"),
        ("2^-10", "You say -12: in Python 2^-10 is that and no power. Write 2**-10, and"),
        ("-16", "You say -16. Run the next cell."),
        ("10**-6  # not 10^-6", "You say 1e-6. Run the next cell."),
    ],
)
def test_a_caret_is_explained(cell, sentence, capsys):
    shell = InteractiveShell.instance()
    code = f"guess = {cell}\nfrom helpers import claims\n_ = claims.predict('How much?', guess)"
    shell.run_cell(code, store_history=True).raise_error()
    assert capsys.readouterr().out.startswith(sentence)
    InteractiveShell.clear_instance()


class Hostile:
    @property
    def __class__(self):
        raise RuntimeError("no class")

    def __repr__(self):
        raise RuntimeError("no words")

    def __eq__(self, other):
        raise RuntimeError("no comparison")


@pytest.mark.parametrize(
    "guess",
    ["0.5", math.nan, math.inf, [1], {}, True, 1j, 10**400, torch.ones(3), object],
)
def test_a_guess_that_is_no_number_earns_one_kind_sentence(guess, capsys):
    assert answered(capsys, guess) == (
        "A prediction is a number such as 0.01 or 1e-6, without quotes: please change yours, "
        "and run again."
    )
    assert said(capsys, guess, 0.5) == "Measured: 0.5."


def test_a_hostile_guess_earns_the_same_sentence(capsys):
    assert answered(capsys, Hostile()).startswith("A prediction is a number")


ANYTHING = st.recursive(
    st.one_of(
        st.floats(),
        st.integers(),
        st.booleans(),
        st.text(),
        st.binary(),
        st.complex_numbers(),
        st.decimals(),
        st.fractions(),
        st.none(),
        st.builds(object),
        st.floats(width=32).map(np.float32),
        st.floats().map(torch.tensor),
    ),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=3,
)


@given(guess=ANYTHING, measured=st.floats() | st.integers(-(10**20), 10**20))
def test_no_guess_makes_predict_raise(guess, measured):
    predict("How much?", guess).compare(measured)


# ---- Parameters that somebody has changed ----------------------------------------------


@pytest.fixture
def lesson(monkeypatch):
    """A learner's lesson, published at depth 30 and seed 0; returns its variables."""
    monkeypatch.delenv("COURSE_CLAIMS", raising=False)
    variables = {"published": published, "depth": 30, "seed": 0}
    exec("published('00', seed=0, depth=30)", variables)
    yield variables
    exec("published('')", variables)


def test_a_claim_that_a_changed_parameter_breaks_says_so_and_goes_on(lesson, capsys):
    lesson["depth"] = 10
    claim("decades lost", 7.68, about=24.7, within=0.03)
    claim("the loss is flat", False)
    claim("accuracy", 0.91, below=0.2, drifts=True)
    claim("still", 1, equals=1)
    lesson["seed"] = "a"
    claim("decades lost", 7.68, above=20)
    assert capsys.readouterr().out.splitlines() == [
        "○ decades lost: not at your depth of 10: measured 7.68 "
        "(published at 30: within 3 % of 24.7)",
        "○ the loss is flat: not at your depth of 10 (published at 30: holds)",
        "○ accuracy: not at your depth of 10: measured ≈0.91 (published at 30: below 0.2)",
        "✓ still: 1 (claimed exactly 1)",
        "○ decades lost: not at your seed of 'a' and depth of 10: measured 7.68 "
        "(published at 0 and 30: above 20)",
    ]


def test_at_the_published_parameters_a_failure_says_what_it_can_mean(lesson):
    with pytest.raises(
        ClaimError, match=r"^Claim failed: decades lost: measured 7\.68, .* of 24\.7\. It held"
    ) as caught:
        claim("decades lost", 7.68, about=24.7, within=0.03)
    for words in ("another processor", "an older copy", "a mistake of ours", "`course --version`"):
        assert words in str(caught.value)
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_tests_stop_at_changed_parameters_too(lesson, monkeypatch):
    lesson["depth"] = 10
    monkeypatch.setenv("COURSE_CLAIMS", "strict")
    with pytest.raises(ClaimError, match=r"^Claim failed: decades lost: measured 7.68, .* 24.7$"):
        claim("decades lost", 7.68, about=24.7, within=0.03)


@pytest.mark.parametrize("value", [torch.ones(2), np.ones(3), None, [1], "30"])
def test_whatever_a_parameter_has_become_no_claim_trips_over_it(lesson, value, capsys):
    lesson["depth"] = value
    claim("decades lost", 7.68, above=20)
    assert capsys.readouterr().out.startswith("○ decades lost: not at your depth of ")
    del lesson["depth"]
    with pytest.raises(ClaimError):
        claim("decades lost", 7.68, above=20)


@pytest.mark.parametrize(
    ("addresses", "whom"),
    [
        (["Documentation, https://a.example", "Issues, https://b.example/new"], "us at https://b"),
        (["Documentation, https://a.example"], "whoever gave you this course"),
        (None, "whoever gave you this course"),
    ],
)
def test_the_place_to_report_is_the_package_s_own(lesson, addresses, whom, monkeypatch):
    described = Message()
    for address in addresses or ():
        described["Project-URL"] = address

    def read(name):
        if addresses is None:
            raise claims._published.metadata.PackageNotFoundError(name)
        return described

    monkeypatch.setattr(claims._published.metadata, "metadata", read)
    with pytest.raises(ClaimError, match=f"Please tell {whom}"):
        claim("decades lost", 7.68, above=20)


# ---- Tables -----------------------------------------------------------------------------


@pytest.fixture
def cell(monkeypatch):
    """A function that runs a cell with claims; it returns the data that the cell displays."""
    shell, seen = InteractiveShell.instance(), []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: seen.append(data))

    def run(code):
        seen.clear()
        shell.run_cell("from helpers.claims import claim\n" + code)
        return list(seen)

    yield run
    InteractiveShell.clear_instance()


def test_the_claims_of_a_cell_are_one_table(cell, capsys):
    (data,) = cell(
        "claim('share <kept>', 0.1404, about=0.141, within=0.03)\n"
        "claim('accuracy', 0.97123, above=0.95, drifts=True)\n"
        "print('between')\n"
        "claim('flat', True)\n"
    )
    assert data["text/plain"].splitlines() == [
        "3 claims hold",
        "  quantity      expected    tolerance  measured",
        "✓ share <kept>  0.141       3 %        0.14",
        "✓ accuracy      above 0.95             ≈0.971",
        "✓ flat                                 holds",
    ]
    page = data["text/html"]
    assert page.startswith("<details open><summary>✓ 3 claims hold</summary><table>")
    assert "share &lt;kept&gt;" in page
    assert page.count("<tr>") == 4
    assert page.count("✓</td>") == 3
    assert capsys.readouterr().out == "between\n"
    assert cell("x = 1") == []


def test_more_than_four_claims_fold(cell):
    (data,) = cell("for _ in range(5): claim('one', 1, equals=1)")
    assert data["text/html"].startswith("<details><summary>✓ 5 claims hold")


def test_a_claim_by_itself_is_a_line(cell, capsys):
    assert cell("claim('one', 1, equals=1)") == []
    assert capsys.readouterr().out == "✓ one: 1 (claimed exactly 1)\n"


def test_a_cell_that_stops_shows_what_was_claimed_before(cell, capsys):
    (data,) = cell("for n in (1, 2, 3): claim(f'number {n}', n, equals=1)")
    assert [line[0] for line in data["text/plain"].splitlines()[2:]] == ["✓", "✗"]
    assert data["text/html"].startswith("<details open><summary>1 of 2 claims hold")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert shown == "Claim failed: number 2: measured 2, claimed exactly 1\n"
    (data,) = cell("claim('a', True)\nclaim('b', True)\n1 / 0")
    assert "2 claims hold" in data["text/plain"]


def test_a_table_says_what_a_changed_parameter_breaks(lesson, cell):
    lesson["depth"] = 10
    (data,) = cell("for n in range(6): claim('decades', n, below=5)")
    assert data["text/plain"].startswith("5 of 6 claims hold\n")
    assert data["text/plain"].splitlines()[-2:] == [
        "○ decades   below 5              5",
        "○ decades: not at your depth of 10: measured 5 (published at 30: below 5)",
    ]
    assert data["text/html"].startswith("<details open><summary>5 of 6 claims hold")
    assert "not at your depth of 10: measured 5 (published at 30: below 5)" in data["text/html"]


# ---- Progress ---------------------------------------------------------------------------


def test_a_prediction_counts_once_it_is_a_number(lesson):
    predict("How much?", None)
    predict("How many?", "x")
    predict("How often?", 3)
    assert progress.summary().predictions == (1, 3)
    predict("How much?", 0)
    assert progress.summary().predictions == (2, 3)
