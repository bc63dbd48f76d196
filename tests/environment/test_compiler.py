"""A C source is built once, by two processes at once too, and what lies torn or foreign in the cache is not loaded."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mezo_lab.environment import compiler
from mezo_lab.environment.compiler import NoCache, NoCompiler, built_library, c_compiler

try:
    c_compiler()
except NoCompiler as missing:
    pytest.skip(str(missing), allow_module_level=True)

ANSWER = "int answer(void) {{ return {}; }}\n"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A small source, and a cache of its own."""
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "small.c"
    file.write_text(ANSWER.format(42))
    return file


def answer(library) -> int:
    return ctypes.CDLL(str(library)).answer()


def test_a_source_is_built_once_and_a_line_says_so(source, caplog):
    first = built_library(source, ())
    written = first.stat().st_mtime_ns
    assert answer(first) == 42
    assert built_library(source, ()) == first and first.stat().st_mtime_ns == written
    assert [message.split(" with ")[0] for message in caplog.messages] == ["building small.c"]


@pytest.mark.parametrize("change", ["source", "flags", "compiler"])
def test_another_source_flag_or_compiler_is_another_library(source, change, tmp_path, monkeypatch):
    first = built_library(source, ())
    flags = ()
    if change == "source":
        source.write_text(ANSWER.format(43))
    elif change == "flags":
        flags = ("-DNDEBUG",)
    else:
        (real,) = c_compiler()
        other = tmp_path / "othercc"
        other.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
        other.chmod(0o755)
        monkeypatch.setenv("CC", str(other))
    second = built_library(source, flags)
    assert second != first and answer(second) == (43 if change == "source" else 42)


@pytest.mark.parametrize("damage", [b"", b"\x7fELF", "half", "one bit", "another's"])
def test_a_torn_or_foreign_file_is_built_anew(source, damage):
    library = built_library(source, ())
    whole = library.read_bytes()
    if damage == "half":
        damage = whole[: len(whole) // 2]
    elif damage == "one bit":
        damage = whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]
    elif damage == "another's":
        other = source.with_name("other.c")
        other.write_text(ANSWER.format(13))
        damage = built_library(other, ()).read_bytes()
    library.unlink()
    library.write_bytes(damage)
    assert answer(built_library(source, ())) == 42


def test_the_folder_is_the_user_s_alone(source):
    library = built_library(source, ())
    assert not library.parent.stat().st_mode & 0o077


def test_a_folder_into_which_others_can_write_is_left_aside(source, caplog):
    folder = built_library(source, ()).parent
    folder.chmod(0o777)
    elsewhere = built_library(source, ())
    assert elsewhere.parent != folder and answer(elsewhere) == 42
    assert any("others can write there" in message for message in caplog.messages)


def test_a_folder_of_one_s_own_that_cannot_be_written_is_left_aside(source, caplog, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    assert answer(built_library(source, ())) == 42
    assert any("it cannot be written" in message for message in caplog.messages)


def test_a_user_without_a_home_builds_for_the_process(source, caplog, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MEZO_LAB_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    assert answer(built_library(source, ())) == 42
    assert any("Could not determine home directory" in message for message in caplog.messages)


def test_what_the_file_system_refuses_is_no_compiler(source):
    library = built_library(source, ())
    library.unlink()
    library.mkdir()
    with pytest.raises(NoCache, match=r"no library can be kept: "):
        built_library(source, ())


def test_a_command_that_no_shell_would_read_is_no_compiler(source, monkeypatch):
    monkeypatch.setenv("CC", "gcc '")
    with pytest.raises(NoCompiler, match=r"\$CC is no command: No closing quotation"):
        built_library(source, ())


def test_a_cache_that_cannot_be_written_is_done_without(source, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path / "file"))
    assert answer(built_library(source, ())) == 42


BUILD = """
import sys
from pathlib import Path
from mezo_lab.environment.compiler import built_library
built_library(Path(sys.argv[1]), ())
"""


def test_two_processes_may_build_at_once(source):
    together = [subprocess.Popen([sys.executable, "-c", BUILD, str(source)]) for _ in range(3)]
    assert [process.wait() for process in together] == [0, 0, 0]
    library = built_library(source, ())
    assert answer(library) == 42
    assert [file.name for file in library.parent.iterdir()] == [library.name]


def test_a_compiler_that_fails_is_named_with_its_words(source, monkeypatch):
    source.write_text("int answer(void) { return }\n")
    with pytest.raises(NoCompiler, match=r"cannot build small\.c: .*error"):
        built_library(source, ())
    monkeypatch.setenv("CC", "/nonexistent/cc")
    with pytest.raises(NoCompiler, match=r"no C compiler is on the path \(looked for /nonexistent/cc\)"):
        built_library(source, ())


def test_a_compiler_with_arguments_is_taken(source, monkeypatch):
    (real,) = c_compiler()
    monkeypatch.setenv("CC", f"{real} -DUNUSED=1")
    assert answer(built_library(source, ())) == 42


def as_compiler(tmp_path, monkeypatch, script: str) -> None:
    compiler_of_this_test = tmp_path / "mycc"
    compiler_of_this_test.write_text(f"#!/bin/sh\n{script}\n")
    compiler_of_this_test.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler_of_this_test))


@pytest.mark.parametrize("script", ["exit 0", "cat; exit 0"], ids=["does nothing", "reads its input"])
def test_a_compiler_that_writes_nothing_is_none_and_leaves_nothing(source, script, tmp_path, monkeypatch):
    as_compiler(tmp_path, monkeypatch, script)
    with pytest.raises(NoCompiler, match=r"mycc cannot build small\.c: it wrote nothing, with exit status 0"):
        built_library(source, ())
    assert not list((tmp_path / "cache" / "libraries").iterdir())


def test_a_compiler_that_does_not_end_is_not_waited_for(source, tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "_PATIENCE", 0.2)
    as_compiler(tmp_path, monkeypatch, "exec sleep 1000")
    with pytest.raises(NoCompiler, match=r"mycc has not ended after 0 s"):
        built_library(source, ())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
@pytest.mark.parametrize("kind", ["pipe", "huge"])
def test_what_is_no_library_in_its_place_is_not_read(source, kind):
    library = built_library(source, ())
    if kind == "huge":
        os.truncate(library, 1 << 42)
    else:
        library.unlink()
        os.mkfifo(library)
    assert answer(built_library(source, ())) == 42


def test_without_openmp_a_library_of_one_thread_is_built(source, tmp_path, monkeypatch):
    (real,) = c_compiler()
    wrapped = tmp_path / "cc"
    wrapped.write_text(f'#!/bin/sh\ncase "$*" in *{compiler.OPENMP}*) exit 1;; esac\nexec {real} "$@"\n')
    wrapped.chmod(0o755)
    monkeypatch.setenv("CC", str(wrapped))
    assert answer(built_library(source, ())) == 42
    assert os.environ["CC"] == str(wrapped)
