"""The container's files: what an engine would make of them, as far as that can be known without one."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from build_context import IgnoreRules, context_files, copy_from
from command_line import lit_gan as lit_gan_command
from dockerfile import Stage, parse
from documents import ROOT, blocks
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from pinned import Closure, pins

import lit_gan

DOCKERFILE = parse((ROOT / "Dockerfile").read_text())
FINAL = DOCKERFILE.stages[-1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
PINS = pins(ROOT / "constraints.txt")
CONTEXT = context_files(ROOT)


def sources(stage: Stage) -> list[str]:
    """What a stage copies from the context."""
    return [word for copy in stage.all("COPY") if copy.flag("from") is None for word in copy.words[:-1]]


def python_of_the_image() -> str:
    [(_, image)] = DOCKERFILE.arguments.items()
    match = re.fullmatch(r"python:(3\.\d+)(?:\.\d+)?-slim-[a-z]+", image)
    assert match, f"{image} names not both a Python and a Debian"
    return match[1]


# The image


def test_every_stage_is_of_one_base_whose_python_the_package_allows_and_names() -> None:
    assert {stage.image for stage in DOCKERFILE.stages} == set(DOCKERFILE.arguments.values())
    assert python_of_the_image() in SpecifierSet(PROJECT["requires-python"])
    assert f"Programming Language :: Python :: {python_of_the_image()}" in PROJECT["classifiers"]


def test_another_base_is_a_build_argument() -> None:
    given = parse((ROOT / "Dockerfile").read_text(), {"PYTHON_IMAGE": "python@sha256:0"})
    assert {stage.image for stage in given.stages} == {"python@sha256:0"}


def test_it_runs_as_a_user_who_is_not_root_by_number() -> None:
    user, group = FINAL.last("USER").text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert any(f"useradd --uid {user} " in run.text for run in FINAL.all("RUN"))


def test_home_and_the_folder_of_the_runs_are_writable_for_any_user() -> None:
    [opened] = [match for run in FINAL.all("RUN") for match in re.findall(r"chmod 1777 (.+)$", run.text)]
    assert set(opened.split()) == {FINAL.environment["HOME"], FINAL.last("WORKDIR").text}


def test_the_entry_point_is_the_command_under_an_init() -> None:
    init, *_, command = FINAL.last("ENTRYPOINT").words
    assert command in PROJECT["scripts"]
    assert any(re.search(rf"apt-get install [^&]*\b{init}\b", run.text) for run in FINAL.all("RUN"))
    assert FINAL.last("CMD").words == ["--help"]


def test_the_commands_are_found_where_the_dependencies_were_installed() -> None:
    [environment] = [copy.words[-1] for copy in FINAL.all("COPY") if copy.flag("from") == "dependencies"]
    assert FINAL.environment["PATH"].split(":")[0] == f"{environment}/bin"
    pips = [run.text for stage in DOCKERFILE.stages for run in stage.all("RUN") if "pip --python" in run.text]
    assert len(pips) == 3
    assert all(f"pip --python {environment} install" in text for text in pips)


def test_the_health_command_is_there_and_does_not_import_torch() -> None:
    check = FINAL.last("HEALTHCHECK")
    program, *arguments = json.loads(check.text.removeprefix("CMD"))
    assert program in PROJECT["scripts"]
    code = (
        "import sys; from lit_gan.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "print([name for name in ('torch', 'lightning', 'numpy', 'wandb') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    assert said.stdout == f"lit-gan {lit_gan.__version__}\n[]\n"


def test_the_labels_say_what_the_package_says() -> None:
    labels = FINAL.last("LABEL").pairs({})
    assert labels["org.opencontainers.image.title"] == PROJECT["name"]
    assert labels["org.opencontainers.image.version"] == lit_gan.__version__
    assert labels["org.opencontainers.image.licenses"] == PROJECT["license"]
    assert PROJECT["description"].startswith(labels["org.opencontainers.image.description"])


def test_every_installation_takes_the_pinned_versions_or_none() -> None:
    installs = [
        match
        for stage in DOCKERFILE.stages
        for run in stage.all("RUN")
        for match in re.findall(r"pip (?:--python \S+ )?(?:install|wheel) ([^&]+)", run.text)
    ]
    assert len(installs) == 5
    free = [text for text in installs if "-c constraints.txt" not in text and "--no-deps" not in text]
    assert free == []


def test_torch_comes_from_the_index_of_cpu_wheels_unless_told_otherwise() -> None:
    [dependencies] = [stage for stage in DOCKERFILE.stages if stage.name == "dependencies"]
    assert dependencies.last("ARG").pairs({}) == {"TORCH_INDEX": "https://download.pytorch.org/whl/cpu"}


def test_a_copy_between_stages_is_from_an_earlier_one() -> None:
    for index, stage in enumerate(DOCKERFILE.stages):
        earlier = [other.name for other in DOCKERFILE.stages[:index]]
        copied = [copy.flag("from") for copy in stage.all("COPY")]
        mounted = [match for run in stage.all("RUN") for match in re.findall(r"from=(\w+)", str(run.flags))]
        assert [name for name in (*copied, *mounted) if name is not None and name not in earlier] == []


# What an engine is sent


def test_exactly_what_is_copied_is_sent() -> None:
    copied = {source for stage in DOCKERFILE.stages for source in sources(stage)}
    assert {path.partition("/")[0] for path in CONTEXT} == copied


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("lit_gan/gan.py", False),
        ("lit_gan/cli/main.py", False),
        ("configs/quickstart.yaml", False),
        ("constraints.txt", False),
        ("lit_gan/__pycache__/gan.cpython-313.pyc", True),
        ("lit_gan/cli/__pycache__/main.cpython-313.pyc", True),
        ("lit_gan/gan.pyd", True),
        ("runs/quickstart/one/checkpoints/last.ckpt", True),
        ("tests/test_gan.py", True),
        (".git/config", True),
        ("wandb/settings", True),
        ("docs/README.md", True),
        ("Dockerfile", True),
    ],
)
def test_a_file_is_sent_or_not(path: str, ignored: bool) -> None:
    assert IgnoreRules((ROOT / ".dockerignore").read_text()).ignore(path) is ignored


@pytest.mark.parametrize(
    ("rules", "ignored", "sent"),
    [
        ("*.md", ["README.md"], ["docs/index.md"]),
        ("**/*.md", ["README.md", "docs/a/index.md"], ["docs/index.html"]),
        ("docs", ["docs/a/index.md"], ["docs.md", "more/docs/index.md"]),
        ("*\n!docs", ["README.md"], ["docs/a/index.md"]),
        ("*\n!docs\ndocs/a", ["docs/a/index.md"], ["docs/index.md"]),
        ("/docs/", ["docs/index.md"], ["a/docs/index.md"]),
        ("# docs\n\na?[0-9]", ["ab1", "ac2/file"], ["docs", "ab", "abc", "a/1"]),
    ],
)
def test_ignore_rules_are_read_as_engines_read_them(rules: str, ignored: list[str], sent: list[str]) -> None:
    read = IgnoreRules(rules)
    assert [path for path in ignored if not read.ignore(path)] == []
    assert [path for path in sent if read.ignore(path)] == []


def test_a_folder_that_is_not_sent_is_not_searched_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dockerignore").write_text("*\n!kept\n!some/inner\n**/cache\n")
    for name in ("kept/a", "kept/cache/b", "some/inner/c", "some/d", ".venv/lib/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    asked: list[str] = []
    ignore = IgnoreRules.ignore
    monkeypatch.setattr(IgnoreRules, "ignore", lambda rules, path: asked.append(path) or ignore(rules, path))

    assert context_files(tmp_path) == ["kept/a", "some/inner/c"]
    assert ".venv" in asked
    assert [path for path in asked if path.startswith(".venv/")] == []


def test_the_wheel_is_whole_when_it_is_made_of_what_is_copied(tmp_path: Path) -> None:
    [stage] = [stage for stage in DOCKERFILE.stages if stage.name == "wheel"]
    for copy in stage.all("COPY"):
        *names, target = copy.words
        copy_from(CONTEXT, ROOT, names, tmp_path / "src" / target, into=target.endswith("/"))

    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "src"),
    ]
    subprocess.run(build, check=True, capture_output=True)

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        made = {name for name in wheel.namelist() if ".dist-info/" not in name}
    links = {"lit_gan/configs", "lit_gan/sweeps"}
    package = {path for path in CONTEXT if path.startswith("lit_gan/")} - links
    shipped = {f"lit_gan/{path}" for path in CONTEXT if path.startswith(("configs/", "sweeps/"))}
    assert made == package | shipped
    assert {"lit_gan/py.typed", "lit_gan/configs/quickstart.yaml", "lit_gan/sweeps/digits_quick.yaml"} <= made


# The pinned versions


def test_the_pins_satisfy_what_the_package_asks_for_and_all_that_follows() -> None:
    wanted = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["sweep"],
        *PYPROJECT["build-system"]["requires"],
    ]
    closure = Closure(PINS, python_of_the_image())
    for requirement in wanted:
        closure.follow(Requirement(requirement))

    assert closure.unmet == []
    assert {"torch", "optuna", "hatchling"} <= {name for name, _ in closure.seen}


def test_the_pins_are_made_for_the_python_of_the_image() -> None:
    assert f"--python-version {python_of_the_image()} " in (ROOT / "Makefile").read_text()


def test_the_builds_of_pytorchs_own_index_are_the_pinned_ones_too() -> None:
    assert Version(f"{PINS['torch']}+cpu") in SpecifierSet(f"=={PINS['torch']}")


def test_a_pin_that_is_missing_or_too_old_is_told() -> None:
    closure = Closure({"torch": Version("2.0"), "numpy": Version("2.1")}, "3.13")
    for requirement in ("numpy>=2.0", "torch>=2.9", "scipy", "tomli; python_version < '3.12'"):
        closure.follow(Requirement(requirement))
    assert closure.unmet == [
        "lit-gan requires torch>=2.9: pinned is 2.0",
        "lit-gan requires scipy: pinned is None",
    ]


def test_a_line_that_pins_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("# numbers\nnumpy==2.1\n    # via scipy\nscipy>=1.13\n")
    with pytest.raises(ValueError, match=r"'scipy>=1\.13' pins no version"):
        pins(tmp_path / "constraints.txt")


# The page


PAGE = ROOT / "docs" / "how-to" / "container.md"
LINES = [line for block in blocks(PAGE) if block.language == "console" for line in block.text.splitlines()]


def commands_in_the_container() -> list[list[str]]:
    """What follows the image's name, or that of the command after another entry point."""
    found = [re.split(r" lit-gan(?::cuda|\.sif)? ", line)[-1] for line in LINES if " run " in line]
    return [shlex.split(text) for text in found]


def test_the_page_has_commands_for_docker_and_apptainer() -> None:
    assert {line.split()[1] for line in LINES} >= {"docker", "apptainer", "make"}
    assert len(commands_in_the_container()) >= 8


@pytest.mark.parametrize(
    "arguments",
    [words for words in commands_in_the_container() if words[0] == "fit"],
    ids=" ".join,
)
def test_a_training_command_in_the_container_is_one_that_the_parser_takes(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ending = lit_gan_command(*arguments, "--print_config")
    assert ending.code == 0, ending.err


def test_the_other_commands_in_the_container_are_ones_that_there_are() -> None:
    others = [words for words in commands_in_the_container() if words[0] != "fit"]
    assert others == [["--version"], ["sample", "runs/quickstart/ID", "--num", "64", "--out", "grid.png"]]


def test_the_page_names_arguments_and_folders_that_the_image_has() -> None:
    of_stages = {name for stage in DOCKERFILE.stages for arg in stage.all("ARG") for name in arg.pairs({})}
    known = {*DOCKERFILE.arguments} | of_stages
    assert set(re.findall(r"--build-arg (\w+)=", PAGE.read_text())) == known
    assert set(re.findall(r'"\$PWD:([^"]+)"', PAGE.read_text())) == {FINAL.last("WORKDIR").text}


def test_the_page_builds_for_the_cuda_whose_libraries_are_pinned() -> None:
    major, minor = PINS[canonicalize_name("cuda-toolkit")].release[:2]
    for text in (PAGE.read_text(), (ROOT / "Dockerfile").read_text()):
        assert re.findall(r"/whl/(cu\d+)", text) == [f"cu{major}{minor}"]
