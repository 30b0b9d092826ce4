"""Files are whole or not there, also after a power cut; a folder has one owner at a time."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import files


def inode(path):
    return path.stat().st_ino


@pytest.fixture
def calls(monkeypatch):
    """What the system is told: the size of a file that is flushed, what is renamed, folders."""
    told = []

    def fsync(descriptor, flush=os.fsync):
        status = os.fstat(descriptor)
        told.append(status.st_ino if stat.S_ISDIR(status.st_mode) else f"{status.st_size} bytes")
        flush(descriptor)

    def replace(source, target, move=os.replace):
        told.append(f"rename {Path(target).name}")
        move(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return told


def test_write_replaces_in_one_step_and_says_whether_anything_changed(tmp_path):
    target = tmp_path / "a.txt"
    assert files.write(target, b"one")
    before = inode(target)
    assert not files.write(target, b"one")
    assert inode(target) == before
    assert files.write(target, b"two")
    assert target.read_bytes() == b"two"
    assert inode(target) != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_the_end(tmp_path, calls):
    files.write(tmp_path / "a.txt", b"12345")
    assert calls == ["5 bytes", "rename a.txt", inode(tmp_path)]
    calls.clear()
    files.write(tmp_path / "a.txt", b"12345")  # nothing new
    assert calls == []


def test_several_files_flush_each_folder_once(tmp_path, calls):
    (tmp_path / "sub").mkdir()
    names = ["a", "b", "sub/c"]
    files.write(tmp_path / "b", b"22")
    calls.clear()
    contents = {tmp_path / name: b"2" * (place + 1) for place, name in enumerate(names)}
    assert files.write_all(contents) == [tmp_path / "a", tmp_path / "sub/c"]
    assert calls[:4] == ["1 bytes", "3 bytes", "rename a", "rename c"]
    assert set(calls[4:]) == {inode(tmp_path), inode(tmp_path / "sub")}
    assert len(calls) == 6
    assert all(path.read_bytes() == content for path, content in contents.items())


def test_a_file_may_come_piece_by_piece(tmp_path, calls):
    target = tmp_path / "a.bin"
    for content in (b"12345", b"678"):
        with files.replaced(target) as file:
            for place in range(len(content)):
                file.write(content[place : place + 1])
        assert target.read_bytes() == content
        assert calls == [f"{len(content)} bytes", "rename a.bin", inode(tmp_path)]
        calls.clear()

    def half():
        with files.replaced(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert target.read_bytes() == b"678"
    assert calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_new_folder_is_in_the_folder_above_it(tmp_path, calls):
    files.make_folder(tmp_path / "a" / "b")
    assert calls == [inode(tmp_path), inode(tmp_path / "a")]
    files.make_folder(tmp_path / "a" / "b")
    assert len(calls) == 2
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "file")


def no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_draft(step, tmp_path, monkeypatch):
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")

    class Full:
        """A file on a full disk."""

        def __init__(self, path, *_):
            path.touch()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        write = no_room

    def opened(path, mode="r", *rest, read=Path.open):
        return (Full if "w" in mode else read)(path, mode, *rest)

    if step == "write":
        monkeypatch.setattr(Path, "open", opened)
    else:
        monkeypatch.setattr(os, step, no_room)
    with pytest.raises(OSError, match="No space"):
        files.write(target, b"new")
    with pytest.raises(OSError, match="No space"):
        files.write_all({tmp_path / "b.txt": b"new", target: b"new"})
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(("number", "fails"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_flushed_is_no_error_and_a_broken_disk_is(
    number, fails, tmp_path, monkeypatch
):
    def fsync(descriptor, flush=os.fsync):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if fails:
        with pytest.raises(OSError, match="Input/output error"):
            files.write(tmp_path / "a.txt", b"one")
    else:
        assert files.write(tmp_path / "a.txt", b"one")
    assert (tmp_path / "a.txt").read_bytes() == b"one"


HOLD = """
import sys
from pathlib import Path
from helpers import files
with files.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="is in use by another process"), files.held(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with files.held(tmp_path):
            pass
