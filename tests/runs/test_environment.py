import json
import shutil
import subprocess
import sys

import pytest

from lit_gan import __version__
from lit_gan.runs import environment


def _git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def package_outside_git(tmp_path, monkeypatch):
    """As if the package were installed in an environment, next to nothing that git keeps."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.setattr(environment, "__file__", str(site / "environment.py"))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text("1")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        _git(folder, *command)
    monkeypatch.chdir(folder)
    return folder


def test_it_is_json_and_names_seed_versions_and_machine(tmp_path):
    environment.write_environment(tmp_path / "environment.json", seed=7)
    described = json.loads((tmp_path / "environment.json").read_text())
    assert described["seed"] == 7
    assert described["versions"]["lit_gan"] == __version__
    assert described["versions"]["torch"].startswith(sys.modules["torch"].__version__.partition("+")[0])
    assert described["hardware"]["torch_threads"] == sys.modules["torch"].get_num_threads()
    assert described["hardware"]["gpus"] == []
    assert described["argv"] == sys.argv
    assert described["hostname"]
    assert described["started"].endswith("+00:00")


def test_a_package_that_is_not_installed_is_null(monkeypatch):
    monkeypatch.setattr(environment, "_PACKAGES", ("no-such-package",))
    assert environment.describe_environment()["versions"]["no-such-package"] is None


@pytest.mark.usefixtures("package_outside_git")
def test_the_commit_is_that_of_the_working_directory_when_the_package_has_none(checkout):
    described = environment.describe_environment()
    assert len(described["commit"]) == 40
    assert (described["dirty"], described["commit_of"]) == (False, "working directory")
    (checkout / "notes.txt").write_text("untracked files change no result")
    assert environment.describe_environment()["dirty"] is False
    (checkout / "train.py").write_text("2")
    assert environment.describe_environment()["dirty"] is True


def test_the_package_comes_first_and_only_if_git_keeps_it(tmp_path, checkout, monkeypatch):
    installed = checkout / ".venv"
    installed.mkdir()
    (installed / "environment.py").write_text("")
    monkeypatch.setattr(environment, "__file__", str(installed / "environment.py"))
    assert environment.describe_environment()["commit_of"] == "working directory"
    _git(checkout, "add", "-f", ".venv/environment.py")
    assert environment.describe_environment()["commit_of"] == "lit_gan"


@pytest.mark.usefixtures("package_outside_git")
def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    described = environment.describe_environment()
    assert (described["commit"], described["dirty"], described["commit_of"]) == (None, None, None)


@pytest.mark.parametrize("fault", ["absent", "slow"])
def test_git_that_is_absent_or_slow_is_no_error(checkout, monkeypatch, fault):
    if fault == "absent":
        monkeypatch.setattr(shutil, "which", lambda name: None)
    else:
        monkeypatch.setattr(environment, "_GIT_SECONDS", 1e-9)
    assert environment.describe_environment()["commit"] is None


def test_gpus_are_listed_through_torch(monkeypatch):
    torch = sys.modules["torch"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    assert environment.describe_environment()["hardware"]["gpus"] == ["GPU 0", "GPU 1"]


@pytest.mark.slow
def test_the_run_folder_and_the_environment_need_neither_torch_nor_lightning(start_python):
    program = """
import sys
from lit_gan.runs import choose_run_folder, describe_environment
import lit_gan.runs.checkpoint_files, lit_gan.loggers.metrics_table
described = describe_environment()
assert "gpus" not in described["hardware"]
print([name for name in ("torch", "lightning", "numpy", "wandb") if name in sys.modules])
"""
    assert start_python(program).communicate()[0] == "[]\n"
