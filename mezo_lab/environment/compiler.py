"""A C source of this package as a shared library: built once by the machine's own compiler, and kept in the cache."""

import atexit
import hashlib
import logging
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mezo_lab.environment.cache import cache_folder

_logger = logging.getLogger(__name__)

COMPILERS = ("cc", "gcc", "clang")  # where $CC is not set
# -fno-fast-math: whatever $CC says, as the start-up code of -ffast-math would let the whole process lose its denormals
FAITHFUL = (
    "-std=gnu11",
    "-O3",
    "-fPIC",
    "-shared",
    "-fno-fast-math",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
)
OPENMP = "-fopenmp"
_TRAILER = hashlib.sha256().digest_size  # bytes behind a library that vouch for it, and which no loader reads
_FOREIGN_WRITERS = 0o022  # mode bits: others may write
_LARGEST = 1 << 26  # bytes of a library; a larger file is none of ours
_PATIENCE = 60.0  # seconds for a compiler, which takes one or two


class NoCompiler(Exception):
    """No C compiler is here, or none that works."""

    remedy = "install a C compiler (apt install gcc) or set CC"


class NoCache(NoCompiler):
    """A library has no place from which it can be loaded."""

    remedy = "set MEZO_LAB_CACHE to a folder in which files can be written, and from which they may run"


def c_compiler() -> list[str]:
    """The command of the C compiler: $CC, or the first of cc, gcc and clang. Raises: NoCompiler."""
    try:
        command = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise NoCompiler(f"$CC is no command: {error}") from None
    candidates = [command] if command else [[name] for name in COMPILERS]
    for candidate in candidates:
        if shutil.which(candidate[0]):
            return candidate
    names = ", ".join(candidate[0] for candidate in candidates)
    raise NoCompiler(f"no C compiler is on the path (looked for {names})")


def built_library(source: Path, flags: Sequence[str]) -> Path:
    """The shared library of a C source: from the cache, or built now, with a line in the log.

    The name in the cache is a digest of the source, the compiler and the flags. A file that is torn, or not of this
    name, is built anew. Two processes may build at once: each writes a file of its own, and moves it into its place.
    A cache that cannot be written, or that others can write, is left aside for a folder of this process alone.

    Args:
        source: the C file.
        flags: what this machine's processor allows, beside `FAITHFUL`; none may change a bit of a result.
    Cost: one run of the compiler, once; then it reads the file.
    Raises: NoCompiler, with the compiler's first words; NoCache, with those of the file system.
    """
    compiler = c_compiler()
    try:
        key = _key(source, compiler, flags)
        library = _own_folder() / f"{source.stem}-{key.hex()[:24]}.so"
        if not _is_whole(library, key):
            _build(source, compiler, flags, library, key)
    except OSError as error:  # as where the disk is full
        raise NoCache(f"no library can be kept: {error}") from None
    return library


def _key(source: Path, compiler: Sequence[str], flags: Sequence[str]) -> bytes:
    # a compiler is known by its file, which an upgrade replaces: asking it for its version would take longer
    program = Path(shutil.which(compiler[0]) or compiler[0]).resolve()
    stat = program.stat()
    parts = (str(program), stat.st_size, stat.st_mtime_ns, *compiler[1:], *FAITHFUL, *flags)
    return hashlib.sha256(repr(parts).encode() + source.read_bytes()).digest()


def _own_folder() -> Path:
    """A folder for libraries into which nobody else can write."""
    try:
        folder = cache_folder() / "libraries"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fault = _fault_of(folder)
        if fault is None:
            return folder
        reason = f"{folder}: {fault}"
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        reason = str(error)
    _logger.warning("the cache is not used (%s): what is built now is gone with this process", reason)
    private = tempfile.mkdtemp(prefix="mezo_lab-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    return Path(private)


def _fault_of(folder: Path) -> str | None:
    """Why libraries are not kept in a folder; None where they are."""
    stat = folder.stat()
    if hasattr(os, "geteuid") and stat.st_uid != os.geteuid():
        return "it belongs to another user"
    if stat.st_mode & _FOREIGN_WRITERS:
        return "others can write there"
    if not os.access(folder, os.W_OK):
        return "it cannot be written"
    return None


def _is_whole(library: Path, key: bytes) -> bool:
    """Whether the file was written to its end, for this key."""
    try:
        if not library.is_file() or library.stat().st_size > _LARGEST:  # a pipe would be waited for
            return False
        content = library.read_bytes()
    except OSError:
        return False
    return content[-_TRAILER:] == _trailer(content[:-_TRAILER], key)


def _trailer(content: bytes, key: bytes) -> bytes:
    return hashlib.sha256(key + content).digest()


def _ran(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    nothing = subprocess.DEVNULL  # of a terminal's input, for which a compiler would wait
    return subprocess.run(
        command, stdin=nothing, capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE
    )


def _build(source: Path, compiler: Sequence[str], flags: Sequence[str], library: Path, key: bytes) -> None:
    _logger.warning("building %s with %s, once", source.name, compiler[0])
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="building-") as folder:
        built = Path(folder, library.name)
        faults = []
        for openmp in ([OPENMP], []):  # a compiler without OpenMP makes a library of one thread
            command = [*compiler, *FAITHFUL, *flags, *openmp, str(source), "-o", str(built), "-lm"]
            try:
                ran = _ran(command)
            except OSError as error:
                raise NoCompiler(f"{compiler[0]} does not run: {error}") from None
            except subprocess.TimeoutExpired:
                raise NoCompiler(f"{compiler[0]} has not ended after {_PATIENCE:.0f} s") from None
            if ran.returncode == 0 and built.is_file():
                break
            faults.append(" ".join(ran.stderr.split())[:200] or f"it wrote nothing, with exit status {ran.returncode}")
        else:
            raise NoCompiler(f"{compiler[0]} cannot build {source.name}: {faults[-1]}")
        with open(built, "ab") as file:
            file.write(_trailer(built.read_bytes(), key))
        os.replace(built, library)
    _logger.info("built %s in %.1f s", library.name, time.perf_counter() - start)
