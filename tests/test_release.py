"""What a release says of itself is one thing everywhere, and its workflows run nothing that could change under them."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import ROOT
from packaging.requirements import Requirement

import lit_gan

_PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_citation_says_what_the_package_says() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format asks for
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == _PROJECT["name"]
    assert str(citation["version"]) == lit_gan.__version__
    assert citation["license"] == _PROJECT["license"]
    assert citation["keywords"] == _PROJECT["keywords"]
    assert citation["abstract"] == _PROJECT["description"]
    assert [each["name"] for each in citation["authors"]] == [each["name"] for each in _PROJECT["authors"]]


def test_the_page_says_what_each_extra_is_for() -> None:
    page = (ROOT / "docs" / "how-to" / "install.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| \S", page, re.MULTILINE)
    assert sorted(told) == sorted(_PROJECT["optional-dependencies"])


@pytest.mark.parametrize("file", _WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_fixed_to_a_commit_with_its_version_beside_it(file: Any) -> None:
    used = [line.partition("uses:")[2].strip() for line in file.read_text().splitlines() if "uses:" in line]
    ours = [each for each in used if each.startswith("./")]
    assert used
    for each in set(used) - set(ours):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)
    assert yaml.safe_load(file.read_text())["permissions"] == {"contents": "read"}


def test_ci_runs_on_every_python_that_is_named() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    named = [each.rpartition(" ")[2] for each in _PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert jobs["check"]["strategy"]["matrix"]["python"] == named


def test_ci_runs_on_the_lowest_versions_with_the_lowest_python() -> None:
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["lowest"]["steps"]
    commands = [step.get("run", "") for step in steps]
    [python] = [step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})]
    assert _PROJECT["requires-python"] == f">={python}"
    _, lowest = _make("lowest")
    assert f"--python-version {python} " in lowest
    assert "--resolution lowest-direct " in lowest
    [install] = [command for command in commands if "pip install -e" in command]
    assert sorted(re.findall(r"--extra (\w+)", lowest)) == sorted(re.findall(r"\.\[(.+)\]", install)[0].split(","))
    assert commands[-1].split()[:2] == ["make", "test"]


@pytest.mark.parametrize("extra", ["", "test", "features", "export", "sweep"])
def test_what_is_tested_on_the_lowest_versions_has_lower_bounds(extra: str) -> None:
    stated = _PROJECT["optional-dependencies"][extra] if extra else _PROJECT["dependencies"]
    requirements = [Requirement(text) for text in stated if not text.startswith("lit-gan[")]
    assert [str(each) for each in requirements if ">=" not in str(each.specifier)] == []


def _make(target: str) -> tuple[list[str], str]:
    """What a target of the Makefile needs, and what it does."""
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{target}:([a-z ]*)(?:##.*)?\n((?:\t.*\n)*)", makefile, re.MULTILINE)
    assert found
    return found[1].split(), found[2]


def test_make_check_does_what_ci_does() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    made = [word for line in re.findall(r"^(?:beside \w+ )?make ([a-z ]+)", ci, re.MULTILINE) for word in line.split()]
    needed, _ = _make("check")
    assert sorted(made) == sorted(set(needed) - {"suite"})
    _, suite = _make("suite")
    halves = re.findall(r"pytest -m (.+)", suite)
    assert len(halves) == 2
    assert all(f"pytest -m {half}" in ci for half in halves)
    bars = [re.findall(r"--fail-under (\d+)", text) for text in (suite, ci)]
    assert bars[0] == bars[1] != []


# In the place of Python: what `python -m pip_audit` says, of all pins and of one alone, and how it ends.
_AUDITOR = """#!/bin/sh
case "$*" in
  *--dry-run*) {dry} ;;
  *constraints.txt*) {whole} ;;
  *) {one} ;;
esac
"""
_FOUND = "echo 'Found 1 known vulnerability in 1 package'; exit 1"
_NOT_THERE = "echo 'ERROR: attrs: Dependency not found and could not be audited'; exit 1"
_NO_INDEX = "NOT audited"


@pytest.mark.parametrize(
    ("dry", "whole", "one", "required", "optional", "said"),
    [
        ("exit 0", "echo 'No known vulnerabilities found'", "exit 9", True, True, "No known vulnerabilities found"),
        ("exit 0", _FOUND, "exit 1", False, False, "a weakness of a pinned package is known"),
        ("exit 0", _NOT_THERE, "exit 1", False, True, _NO_INDEX),
        ("exit 0", _NOT_THERE, "echo '{}'; exit 0", False, False, "it did not end: see above"),
        ("echo 'No module named pip_audit'; exit 1", "exit 9", "exit 1", False, False, "No module named pip_audit"),
    ],
    ids=["nothing known", "weakness", "no index", "one pin is not there", "no tool"],
)
def test_an_audit_fails_for_a_weakness_and_where_it_must_for_want_of_an_index(
    tmp_path: Path, dry: str, whole: str, one: str, required: bool, optional: bool, said: str
) -> None:
    auditor = tmp_path / "python"
    auditor.write_text(_AUDITOR.format(dry=dry, whole=whole, one=one))
    auditor.chmod(0o755)
    for advisories, passes in {"required": required, "optional": optional}.items():
        make = ["make", "audit", f"PYTHON={auditor}", f"ADVISORIES={advisories}"]
        ended = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=False)
        assert said in ended.stdout + ended.stderr
        assert (ended.returncode == 0) is passes


def test_a_release_needs_an_audit_and_a_check_takes_none_for_an_answer() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "\nADVISORIES ?= required\n" in makefile
    assert "\ncheck: ADVISORIES = optional\n" in makefile
    assert "make audit PYTHON=python ADVISORIES=optional" in (ROOT / ".ci" / "run").read_text()
    assert "ADVISORIES" not in (ROOT / ".github" / "workflows" / "release.yml").read_text()


def test_a_release_is_checked_before_it_is_built_and_published_without_a_token() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("check", "build")
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets" not in json.dumps(jobs)
    made = [step["run"].split()[1] for step in jobs["build"]["steps"] if step.get("run", "").startswith("make ")]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made == ["audit", "wheel", "sbom"]
    assert set(made) <= set(targets)
