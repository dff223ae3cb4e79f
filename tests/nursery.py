"""Children that start in milliseconds: forks of a process that has imported the command, in the place of fresh ones.

A fresh interpreter that imports Lightning costs a core seconds, for each rank, trial and killed training again. Here
`subprocess.Popen` of this very interpreter (`python -m lit_gan ...`, `python script.py ...`, `python -c ...`, a script
that begins with it) becomes a fork, wherever it is made: in a test, in a rank that starts the others, in a worker that
starts trials. To everybody it is the process that was asked for: a child of whoever called Popen, with its id, session
and group, its descriptors, directory, network, variables and command line (in /proc, too), its signals and exit code.

Every process that is forked here has a nursery of its own as a child: a fork from the moment at which it had done
nothing yet. That one forks its children, and the kernel hands them on to the process (`PR_SET_CHILD_SUBREAPER`).

What differs from a fresh interpreter: all children hash strings with the seed of the nursery, everything is imported
already (but W&B counts as imported only where somebody does so), one command has been parsed, and at the end modules
are not taken down (our own are where threads are left). So each kind of start keeps a test without the nursery. What it
cannot do exactly (other options of the interpreter, variables that an import reads, another system than Linux) is
started afresh.
"""

import atexit
import ctypes
import fcntl
import gc
import importlib
import importlib.machinery
import inspect
import io
import os
import pickle
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_SUBREAPER, _PARENT_DEATH = 36, 1  # of prctl
_NETWORK = 0x40000000  # of setns
_HIGH = 200  # descriptors of ours stand above those that a child is given
_LARGEST = 1 << 20
#: Room in the nursery's own command line and variables for those of the children, which ps and /proc show.
_ROOM = {"words": 1 << 14, "variables": 1 << 16}
_ROOT = Path(__file__).resolve().parents[1]
# What the command imports, at once or later. Its own modules come second: where the processes of pytest-xdist are forks
# of a nursery themselves, coverage has to see their import.
_LIBRARIES = (
    # First: pydantic looks for the source of each of its classes among all modules that there are.
    "wandb.sdk.launch",
    "jsonargparse",
    "lightning.pytorch.cli",
    "lightning.pytorch.demos.boring_classes",
    "matplotlib.pyplot",
    "numpy",
    "omegaconf",
    "optuna.storages.journal",
    "rich.table",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.datasets",
    "sklearn.decomposition",
    "tensorboard.compat.proto.event_pb2",
    "torch.distributed.elastic.multiprocessing.api",
    "torch.distributed.launcher.api",
    "torch.utils.tensorboard",
    "torchvision",
)
_COMMAND = "lit_gan.cli.main"  # and where its verbs stand
_LIGHT = "fake_trial.py"  # imports next to nothing: as itself it starts, and above all ends, sooner than as a fork
# Whose objects end with the interpreter, as ever: process groups, stores and their threads among them.
_TAKEN_DOWN = ("lit_gan", "lightning", "torch.distributed", "torch._C", "threading", "sys", "builtins", "__main__")
# Read by the interpreter or by an import: a child for which one of them is another is started afresh.
_AT_THE_START = ("PYTHON", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "TORCH_", "LC_", "LANG", "LD_", "MPL", "PYTORCH_")
_LATE = ("PYTHONPATH", "TORCH_NCCL_ASYNC_ERROR_HANDLING")

_libc = ctypes.CDLL(None, use_errno=True)
_real: Callable[..., None] = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_names = list(inspect.signature(_real).parameters)
_lock = threading.Lock()
_mine: list[socket.socket] = []  # the way to the nursery of this process, if it has one
_first: list[subprocess.Popen[bytes]] = []  # the nursery that was started, in the process that has
_libraries: list[str] = []  # the modules that are left as they are at the end
_ready: list[bool] = []  # whether that has imported the command
_at_start: dict[str, str] = {}
_PREPARE: dict[str, Any] = {}  # the order to import it


# -- In the process that wants a child --------------------------------------------------------------------------------


@contextmanager
def nursery(command: bool = True) -> Iterator[None]:
    """As long as this lasts, `subprocess.Popen` of this interpreter forks in the place of starting.

    Args:
        command: Whether the forks have imported the command, too, or its libraries alone.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    if not _mine:
        _found()
    if command and not _ready:
        _asked_for(_PREPARE, [])
        _ready.append(True)
    before = subprocess.Popen._execute_child  # type: ignore[attr-defined]
    subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]
    try:
        yield
    finally:
        subprocess.Popen._execute_child = before  # type: ignore[attr-defined]


def start_afresh() -> None:
    """From here on this process, a fork itself, starts others as Python does, but within `nursery`."""
    subprocess.Popen._execute_child = _real  # type: ignore[attr-defined]


def _found() -> None:
    """Starts the first nursery, which imports everything."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _at_start.update({name: value for name, value in os.environ.items() if _is_of_the_start(name)})
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    # Pipes: a stream of Python's that has once been a file or a terminal takes whatever comes in its place for one.
    process = subprocess.Popen(
        [sys.executable, __file__, str(its.fileno()), "x" * _ROOM["words"]],
        env={**environ, "PYTHONPATH": str(_ROOT), "NURSERY": "x" * _ROOM["variables"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        pass_fds=[its.fileno()],
        process_group=0,
    )
    its.close()
    _first.append(process)
    _mine.append(ours)


def _is_of_the_start(name: str) -> bool:
    return name.startswith(_AT_THE_START) and name not in _LATE


def _execute_child(self: Any, *values: Any) -> None:
    """What Popen does in the end, by a fork where that is the same."""
    asked = dict(zip(_names, (self, *values), strict=True))
    order = _order(asked)
    if order is None:
        _real(self, *values)
        return
    given = [asked["p2cread"], asked["c2pwrite"], asked["errwrite"]]
    descriptors = [own if own != -1 else number for number, own in enumerate(given)] + order["passed"]
    try:
        self.pid = _asked_for(order, descriptors)
        self._child_created = True
    finally:
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(asked[name] for name in pipes))


def _order(asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """All that makes the child; None if it cannot be forked."""
    environ = dict(os.environ if asked["env"] is None else asked["env"])
    words = _words(asked["args"], environ)
    program = _program(words)
    changed = {name: value for name, value in environ.items() if _is_of_the_start(name)} != _at_start
    cwd = os.path.abspath(os.fspath(asked["cwd"] or os.getcwd()))
    special = any(asked[name] is not None for name in ("executable", "uid", "gid", "gids")) or asked["shell"]
    if program is None or changed or special or not asked["close_fds"] or not os.path.isdir(cwd):
        return None
    try:
        before = pickle.dumps(asked["preexec_fn"])
    except (AttributeError, TypeError, pickle.PicklingError):  # a closure cannot be carried over
        return None
    ignored = [number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]
    return {
        "program": program,
        "words": words,
        "environ": environ,
        "cwd": cwd,
        "umask": _umask() if asked["umask"] < 0 else asked["umask"],
        "before": before,
        "session": asked["start_new_session"],
        "group": os.getpgrp() if asked["process_group"] < 0 else asked["process_group"],
        "ignored": [int(number) for number in ignored if number not in (signal.SIGPIPE, signal.SIGXFSZ)],
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "parent": os.getpid(),
        "passed": sorted(asked["pass_fds"]),
    }


def _words(arguments: Any, environ: Mapping[str, str]) -> list[str]:
    """The command line, as the kernel has it in the end: without `env`, with the interpreter of a script."""
    words = [os.fsdecode(word) for word in ([arguments] if isinstance(arguments, str | bytes) else arguments)]
    if words[0] == "/usr/bin/env" and len(words) > 1:
        del words[0]
    if words[0] != sys.executable and (path := shutil.which(words[0], path=environ.get("PATH"))) is not None:
        with Path(path).open("rb") as file:
            if file.read(256).startswith(f"#!{sys.executable}\n".encode()):
                words[:1] = [sys.executable, path]
    return words


def _program(words: Sequence[str]) -> tuple[str, str, list[str], bool] | None:
    """The kind of program (`-m`, `-c` or a script), itself, its arguments, and whether it is unbuffered."""
    if words[0] != sys.executable:
        return None
    rest = list(words[1:])
    unbuffered = bool(rest) and rest[0] == "-u"
    rest = rest[unbuffered:]
    if len(rest) > 1 and rest[0] in ("-m", "-c"):
        return rest[0], rest[1], rest[2:], unbuffered
    if not rest or rest[0].startswith("-") or rest[0].endswith(_LIGHT):
        return None
    return "script", rest[0], rest[1:], unbuffered


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def _asked_for(order: Mapping[str, Any], descriptors: list[int]) -> int:
    """Has the nursery of this process fork a child, and returns its id."""
    with _lock:
        _libc.prctl(_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(_mine[0], [pickle.dumps(order)], descriptors)
            answer = _mine[0].recv(64)
        finally:
            _libc.prctl(_SUBREAPER, 0, 0, 0, 0)
    if not answer:
        said = _first[0].communicate()[0].decode() if _first else ""
        raise OSError(f"the nursery has ended: {said}")
    return int(answer)


# -- In the nursery ---------------------------------------------------------------------------------------------------


def _serve(way: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Forks whatever is asked for; returns in the forked processes only, with the order and its descriptors."""
    while True:
        content, descriptors, _, _ = socket.recv_fds(way, _LARGEST, 64)
        if not content:
            os._exit(0)
        order = pickle.loads(content)
        if order == _PREPARE:
            _import(sorted({module for module, _ in importlib.import_module(_COMMAND)._VERBS.values()}), _parse)
            way.send(b"0")
            continue
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:  # it ends at once, and so the kernel gives its child to the process that asked
            os.close(reading)
            order["between"] = os.getpid()
            child = os.fork()
            if child == 0:
                way.close()
                return order, [writing, *descriptors]
            os.write(writing, f"{child:8}".encode())
            os._exit(0)
        os.close(writing)
        number = os.read(reading, 8)
        os.waitpid(between, 0)
        os.read(reading, 1)  # until it is what was asked for, or has been killed
        way.send(number)
        for descriptor in (reading, *descriptors):
            os.close(descriptor)


def _become(order: dict[str, Any], descriptors: list[int]) -> socket.socket | None:
    """Makes this fork the process that was asked for; a way to serve on is returned in its own nursery."""
    while os.getppid() == order["between"]:
        time.sleep(0.0005)
    if os.getppid() != order["parent"]:  # it was killed meanwhile
        os._exit(1)
    _join(order)
    enter_network(f"/proc/{order['parent']}/ns/net")
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    myself = os.getpid()
    if os.fork() == 0:
        ours.close()
        for descriptor in descriptors:
            os.close(descriptor)
        os.setpgid(0, 0)
        _libc.prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != myself:
            os._exit(0)
        return its
    its.close()
    ready = _put_in_place(ours, descriptors, order["passed"])
    _take_over(order)
    os.write(ready, b".")
    os.close(ready)
    return None


def _join(order: Mapping[str, Any]) -> None:
    if order["session"]:
        os.setsid()
    else:
        os.setpgid(0, order["group"])


def enter_network(path: str) -> None:
    """Takes this process into a network namespace, where it is not there already.

    Args:
        path: Of a file of the kernel's that stands for it.
    """
    with open(path, "rb") as there:
        is_here = os.path.samestat(os.fstat(there.fileno()), os.stat("/proc/self/ns/net"))
        if not is_here and _libc.setns(there.fileno(), _NETWORK) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def _put_in_place(ours: socket.socket, descriptors: list[int], passed: list[int]) -> int:
    """Gives the descriptors their numbers; the first one is left among ours."""
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _HIGH) for one in (ours.fileno(), *descriptors)]
    ours.close()
    for descriptor in descriptors:
        os.close(descriptor)
    _mine[:] = [socket.socket(fileno=high[0])]
    for source, target in zip(high[2:], (0, 1, 2, *passed), strict=True):
        os.dup2(source, target)
        os.close(source)
    return high[1]


def _take_over(order: dict[str, Any]) -> None:
    """Directory, variables, signals, and what an interpreter makes of them when it starts."""
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    for number in order["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, order["blocked"])
    os.environ.clear()
    _show(order["words"], order["environ"])
    os.environ.update(order["environ"])
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        line = stream is sys.stderr or os.isatty(1)
        stream.reconfigure(line_buffering=line, write_through=bool(order["program"][3] or _unbuffered()))
    importlib.invalidate_caches()
    before = pickle.loads(order["before"])
    if before is not None:
        before()


def _unbuffered() -> bool:
    return bool(os.environ.get("PYTHONUNBUFFERED"))


def _show(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Writes command line and variables where the kernel looks for them."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    first_word, end_of_words, first_variable, end_of_variables = map(int, fields[45:49])
    variables = [f"{name}={value}" for name, value in environ.items()]
    for start, end, parts in ((first_word, end_of_words, words), (first_variable, end_of_variables, variables)):
        content = b"".join(os.fsencode(part) + b"\0" for part in parts)[: end - start - 1]
        ctypes.memmove(start, content.ljust(end - start, b"\0"), end - start)


def _forget_the_start() -> None:
    """What imports have read from the variables, or drawn from the system, before there was a child."""
    import numpy as np  # noqa: PLC0415
    from lightning.fabric.utilities.rank_zero import _get_rank, rank_zero_only  # noqa: PLC0415

    rank_zero_only.rank = _get_rank() or 0
    np.random.seed()  # noqa: NPY002 -- as numpy does when it is imported
    if "sitecustomize" in sys.modules or any(Path(folder, "sitecustomize.py").exists() for folder in sys.path):
        sys.modules.pop("sitecustomize", None)
        with suppress(ImportError):
            importlib.import_module("sitecustomize")


def _run(order: Mapping[str, Any], libraries: list[str]) -> None:
    """The program, as the interpreter runs it."""
    kind, name, arguments, _ = order["program"]
    first = {"-m": os.getcwd(), "-c": ""}.get(kind, str(Path(name).resolve().parent))
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [first, *given, *libraries]
    sys.argv[:] = [name if kind == "script" else kind, *arguments]
    sys.orig_argv[:] = order["words"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    _forget_the_start()
    if kind == "-m":
        runpy._run_module_as_main(name)  # type: ignore[attr-defined]
        return
    if kind == "script":
        main.__dict__["__file__"] = name
    source = Path(name).read_bytes() if kind == "script" else name
    exec(compile(source, name if kind == "script" else "<string>", "exec"), main.__dict__)  # noqa: S102


def _leave_libraries_standing() -> None:
    """At the very end: to take thousands of modules down would copy all their pages first."""
    ctypes.pythonapi.Py_IncRef(
        ctypes.py_object({name: sys.modules.pop(name) for name in _libraries if name in sys.modules})
    )


class _Later(tempfile.TemporaryDirectory[str]):
    """One that is made when somebody asks for its name."""

    @property
    def name(self) -> str:
        self.__class__ = tempfile.TemporaryDirectory  # type: ignore[assignment]  # as it was before
        self.__init__()  # type: ignore[misc]  # anew, with a finalizer of this process
        return self.name


class _Aside:
    """Finds W&B's modules for whoever imports it first: until then nobody has, which the package asks for.

    Each process that has imported it removes, at its end, two folders that it makes then: each fork has its own.
    """

    def __init__(self) -> None:
        media = sys.modules["wandb.sdk.data_types._private"].MEDIA_TMP
        for folder in (sys.modules["wandb.sdk.artifacts.artifact"].Artifact._TMP_DIR, media):
            folder.cleanup()
            folder.__class__ = _Later
        names = [name for name in sys.modules if name.partition(".")[0] == "wandb"]
        self._modules = {name: sys.modules.pop(name) for name in names}
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._modules))  # left standing at the end
        self._spec = self._modules["wandb"].__spec__

    def find_spec(self, name: str, *rest: Any) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name == "wandb" else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        sys.meta_path.remove(self)
        sys.modules.update(self._modules)
        return self._modules["wandb"]

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = self._spec


def _forget_ends_of_libraries() -> None:
    """Of what torch has imported: it takes 200 tables of operators down, and formats the times of no compiler."""
    for one in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        one.atexit = False
    if (dynamo := sys.modules.get("torch._dynamo.utils")) is not None:
        atexit.unregister(dynamo.dump_compile_times)


def _put_wandb_aside() -> None:
    sys.meta_path.insert(0, _Aside())


def _parse() -> None:
    """One command, so that each fork finds what a process keeps for all: sources that are read, the parser."""
    arguments = ["--config", "quickstart"]
    importlib.import_module("lit_gan.cli.parsing.first_look").look("fit", arguments)
    importlib.import_module("lit_gan.cli.trainer.command").Command("fit", arguments)


def _import(names: Sequence[str], then: Callable[[], None]) -> None:
    for name in names:
        importlib.import_module(name)
    then()
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would not be there in a fork"
    _forget_ends_of_libraries()
    _libraries[:] = [name for name in sys.modules if not name.startswith(_TAKEN_DOWN)]
    _ready[:] = [True] if _COMMAND in sys.modules else []
    gc.collect()
    gc.freeze()  # a collection would touch, and so copy, every page
    gc.enable()


def _live() -> None:
    """A nursery until the tests have ended; in each of its forks, the process that was asked for."""
    gc.disable()  # until all is imported: no garbage is found among it, and much time spent
    libraries = sys.path[1 + len(os.environ["PYTHONPATH"].split(os.pathsep)) :]
    way: socket.socket | None = socket.socket(fileno=int(sys.argv[1]))
    way.set_inheritable(False)
    _at_start.update({name: value for name, value in os.environ.items() if _is_of_the_start(name)})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["nursery"] = sys.modules["__main__"]  # for those forks that import it
    enter_network.__module__ = "nursery"  # for those that pickle it: their __main__ is another
    atexit.register(_leave_libraries_standing)  # before the imports, and so after all that they register
    _import(_LIBRARIES, _put_wandb_aside)
    # After the interpreter's own end, in the place of the destructors of C++'s static objects: they copy pages, too.
    _libc.on_exit(_libc._exit, None)
    subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]
    while way is not None:
        order, descriptors = _serve(way)
        way = _become(order, descriptors)
    code: Any = None
    try:
        _run(order, libraries)
    except KeyboardInterrupt:
        raise
    except SystemExit as ending:
        code = ending.code
    except BaseException as error:
        trace = _of_the_program(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        code = 1
    _end(code)


def _end(code: Any) -> None:
    """As the interpreter ends, which would take modules down for longer than many a child lives."""
    if code is not None and not isinstance(code, int):
        sys.exit(code)  # it is told
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if len(os.listdir("/proc/self/task")) > 1:  # those of process groups and stores, which end with their objects
        sys.exit(code)
    sys.modules["__main__"].__dict__.clear()
    gc.collect()
    try:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
    except OSError:
        sys.exit(code)  # it is told that nobody reads
    os._exit((code or 0) & 0xFF)


def _of_the_program(trace: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback without what stands here and in `runpy`."""
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, runpy.__file__, "<frozen runpy>"):
        trace = trace.tb_next
    return trace


if __name__ == "__main__":
    _live()
