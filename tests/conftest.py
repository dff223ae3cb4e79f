"""What every test shares: a fixed number of threads, and no way to reach a server by mistake.

The process that hands the tests out to others imports this too, and no library that a test needs: they would take it
seconds, in which no other can begin.
"""

import gc
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

# Before torch is imported: one thread, so that sums are formed in the same order on every machine.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["WANDB_MODE"] = "disabled"
os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # as the command sets it

import bytecode
import distribution
import pytest
from browser import browser  # noqa: F401 -- a fixture
from forked_python import forked_python  # noqa: F401 -- a fixture
from network_namespaces import two_hosts  # noqa: F401 -- a fixture
from nursery import nursery, start_afresh
from repeated_lookups import looked_up_once
from slurm_cluster import slurm, slurm_of_the_session  # noqa: F401 -- fixtures
from started import queue, start_python  # noqa: F401 -- fixtures
from wandb_server import server  # noqa: F401 -- a fixture

# Where bytecode is not kept, each process of these tests would rewrite every file of them, and each fresh start of the
# command compile the package.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


_FOLDERS = itertools.count()


_NO_ERRORS = (
    # Advice, which Lightning gives on tiny trainings too: "no val_dataloader", "smaller than the logging interval", ...
    "lightning.fabric.utilities.warnings.PossibleUserWarning",
    # Lightning 2.6 on jsonargparse 4.53: LightningCLI's own use of names that jsonargparse deprecated.
    "jsonargparse._deprecated.JsonargparseDeprecationWarning",
    # True of the untrained generators that most tests draw from; the tests of these warnings expect them by name.
    "lit_gan.metrics.parzen_warnings.ParzenWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        start_afresh()
        from lit_gan.engine.c_library import keep_freed_memory  # noqa: PLC0415

        keep_freed_memory()  # pages that one test gives back are faults of the next
    # A shell starts what it puts into the background deaf to Ctrl-C, and all processes of the tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not config.getoption("numprocesses", None):  # here are tests: the filters import the classes
        for name in _NO_ERRORS:
            config.addinivalue_line("filterwarnings", f"ignore::{name}")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return distribution.number_of_processes(config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getoption("dist") != "loadgroup":
        return None
    return distribution.SlowBesideOthers(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> Iterator[None]:
    """The processes of pytest-xdist are forks as well, with the package but where coverage has to see its import."""
    if not session.config.getoption("numprocesses", None):
        return (yield)
    with ExitStack() as stack:
        with bytecode.written(session.config):
            stack.enter_context(nursery(command="slipcover" not in sys.modules))
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """What is there before the first test stays: no collection of garbage looks through all of it again."""
    gc.disable()
    result = yield
    gc.enable()
    gc.freeze()
    gc.set_threshold(7_000, 10, 50)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    distribution.group(items)
    result = yield
    distribution.put_in_order(items)
    return result


@pytest.fixture(autouse=True)
def _fixed_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")  # the seed of the run, as seed_everything would set it
    import torch  # noqa: PLC0415

    # torch.manual_seed would note, for each device that is not there, from where it was called: a millisecond.
    torch.default_generator.manual_seed(0)


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, which looks through the folders of all earlier tests for a number that is free."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    return tmp_path_factory.mktemp(f"{name}{next(_FOLDERS)}", numbered=False)


@pytest.fixture(autouse=True)
def _decoded_pictures_are_not_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    monkeypatch.setenv("LIT_GAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _signals_are_given_back() -> Iterator[None]:
    """A handler that a test leaves would be there for all that come after it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.fixture
def own_process_group() -> Iterator[None]:
    """For a test that trains by `ddp_gan` in this process: later tests, and their jobs, meet no port and no group."""
    import torch  # noqa: PLC0415

    before = dict(os.environ)
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True, scope="session")
def _libraries_look_once() -> Iterator[None]:
    with looked_up_once():
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_slurm_job() -> None:
    """A job that runs the tests is not the job of any run in them."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        del os.environ[name]
