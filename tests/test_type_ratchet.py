import pytest
import type_ratchet

REPORT = """\
helpers/grading/sandbox/walls.py:12: error: Incompatible return value type  [return-value]
helpers/grading/grade.py:3:7: error: Name "x" is not defined  [name-defined]
helpers/grading/grade.py:3: note: Did you mean "y"?
helpers/claims.py:1: error: Invalid syntax: a line that says ": error: " twice  [syntax]
Found 3 errors in 3 files (checked 80 source files)
"""


def test_errors_are_counted_per_package():
    assert type_ratchet.counted(REPORT) == {"grading": 2, "claims": 1}
    assert type_ratchet.counted("Success: no issues found in 80 source files\n") == {}
    elsewhere = "setup.py:1: error: Bad  [misc]\nFound 1 error in 1 file (checked 1 source file)\n"
    assert type_ratchet.counted(elsewhere) == {"outside helpers": 1}


@pytest.mark.parametrize(
    "report",
    [
        "",
        "mypy: can't read file 'helpers'\n",
        REPORT.replace("Found 3", "Found 4"),
        REPORT.rsplit("\n", 2)[0],  # cut short
        REPORT.replace("claims.py:1: error", "claims.py:1: Error"),
    ],
)
def test_a_report_that_is_not_whole_is_refused(report):
    with pytest.raises(ValueError, match="did not come to its end"):
        type_ratchet.counted(report)


def test_the_number_may_neither_rise_nor_stay_above_what_is_there():
    found = type_ratchet.counted(REPORT)
    assert list(type_ratchet.faults(found, {"grading": 2, "claims": 1})) == []
    assert list(type_ratchet.faults(found, {"grading": 1, "sweeps": 4, "claims": 3})) == [
        "claims: 1 type error, and pyproject.toml allows 3; "
        "so that it cannot rise again, write claims = 1 there",
        "grading: 2 type errors, allowed: 1; see them with .venv/bin/mypy -p helpers.grading",
        "sweeps: 0 type errors, and pyproject.toml allows 4; "
        "so that it cannot rise again, delete sweeps there",
    ]
    assert list(type_ratchet.faults(found, {"grading": 2})) == [
        "claims: 1 type error, allowed: 0; see them with .venv/bin/mypy -p helpers.claims"
    ]


def test_the_table_has_a_line_for_every_package_that_matters():
    found = type_ratchet.counted(REPORT)
    assert list(type_ratchet.table(found, {"sweeps": 4})) == [
        "package          errors allowed",
        "claims                1       0",
        "grading               2       0",
        "sweeps                0       4",
    ]


def test_the_program_ends_with_what_is_wrong(monkeypatch, capsys):
    class Done:
        stdout, stderr = REPORT.replace("helpers/claims", "helpers/nowhere"), ""

    monkeypatch.setattr(type_ratchet.subprocess, "run", lambda *_, **__: Done)
    assert "nowhere: 1 type error, allowed: 0" in type_ratchet.main()
    assert "nowhere               1       0" in capsys.readouterr().out
