import subprocess
import sys

import pytest

from helpers import files


def test_write_replaces_in_one_step_and_says_whether_anything_changed(tmp_path):
    target = tmp_path / "a.txt"
    assert files.write(target, b"one")
    before = target.stat().st_ino
    assert not files.write(target, b"one")
    assert target.stat().st_ino == before
    assert files.write(target, b"two")
    assert target.read_bytes() == b"two"
    assert target.stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")

    def full(self, content):
        raise OSError("No space left on device")

    monkeypatch.setattr(type(target), "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        files.write(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


HOLD = """
import sys, time
from pathlib import Path
from helpers import files
with files.held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="is in use by another process"), files.held(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with files.held(tmp_path):
            pass
