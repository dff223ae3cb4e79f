"""What stood elsewhere in 0.1 is still found there, once."""

import pickle
import subprocess
import sys
from importlib import import_module

import pytest

from lit_gan.earlier_import_paths import _MOVED


@pytest.mark.parametrize(("earlier", "now"), _MOVED.items())
def test_both_names_are_one_module_with_one_spec(earlier: str, now: str) -> None:
    module = import_module(earlier)
    assert module is import_module(now)
    assert module.__spec__ is not None
    assert (module.__spec__.name, module.__name__) == (now, now)


_PROGRAM = """
from lit_gan.tracking import RunFolder, choose_run_folder
from lit_gan.tracking.run_folder import RunFolder as earlier
from lit_gan.runs.folder import RunFolder as now
print(RunFolder is earlier is now)
"""


def test_public_names_come_from_there_in_a_fresh_process() -> None:
    said = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert said.stdout == "True\n"


def test_a_class_is_pickled_under_its_own_name() -> None:
    run_folder = import_module("lit_gan.tracking.run_folder")
    assert b"lit_gan.runs.folder" in pickle.dumps(run_folder.FolderInUse)


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"lit_gan\.tracking\.nothing"):
        import_module("lit_gan.tracking.nothing")
