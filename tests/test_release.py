"""What a release says of itself is one thing everywhere, and its workflows run nothing that could change under them."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml
from documents import ROOT

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


def test_a_release_is_checked_before_it_is_built_and_published_without_a_token() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("check", "build")
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets" not in json.dumps(jobs)
    made = [step["run"].split()[1] for step in jobs["build"]["steps"] if step.get("run", "").startswith("make ")]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made == ["audit", "wheel", "sbom"]
    assert set(made) <= set(targets)
