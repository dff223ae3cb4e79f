"""What a sweep file may say, and what is said of the others."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_sweep import content, write
from mutations import check_told, mutations

from lit_gan.errors import UserError
from lit_gan.tuning.sampling import number_of_trials
from lit_gan.tuning.search_space import search_space
from lit_gan.tuning.sweep_file import Hyperband, load_sweep, read_sweep

_RANGE = {"min": 0.1, "max": 0.9}


def parameter(**entry: Any) -> dict[str, Any]:
    return {"method": "random", "parameters": {"model.lr": entry}}


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml")), ids=lambda file: file.stem
)
def test_every_shipped_sweep_is_read(file: Path) -> None:
    sweep = load_sweep(file)

    assert sweep.name == file.stem
    assert list(sweep.parameters) == list(yaml.safe_load(file.read_text())["parameters"])


def test_what_only_wandb_reads_is_passed_over(tmp_path: Path) -> None:
    metric = {"name": "val/score", "impute": "worst", "impute_while_running": "latest"}
    file = write(tmp_path / "lr.yaml", project="p", entity="e", description="d", name="n", run_cap=7, metric=metric)

    sweep = load_sweep(file)

    assert (sweep.name, sweep.run_cap, sweep.goal, sweep.hyperband) == ("lr", 7, "minimize", None)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"min_iter": 3}, Hyperband(3, 3, None)),
        ({"min_iter": 2, "eta": 4, "strict": True}, Hyperband(2, 4, None)),
        ({"max_iter": 100, "s": 3}, Hyperband(3, 3, 100)),
        ({"max_iter": 64, "s": 2, "eta": 2}, Hyperband(16, 2, 64)),
    ],
)
def test_both_forms_of_hyperband(entry: dict[str, Any], expected: Hyperband) -> None:
    assert read_sweep("s", content(early_terminate={"type": "hyperband", **entry})).hyperband == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methd": "grid"}, "there is no key methd; did you mean method?"),
        ({"method": "grids"}, "method: there is no 'grids'; did you mean grid?"),
        ({"method": None}, "method: there is no None: expected one of grid, random, bayes."),
        ({"controller": {"type": "local"}}, "controller: only W&B's own server reads this key; leave it out, or run"),
        ({"metric": None}, "metric: expected a name and a goal under it: they say which trial is the best."),
        ({"metric": None, "method": "bayes"}, "metric: expected a name and a goal"),
        ({"metric": {"name": "v", "goal": "minimise"}}, "metric.goal: there is no 'minimise'; did you mean minimize?"),
        ({"metric": {"name": "v", "gaol": "minimize"}}, "metric: there is no key gaol; did you mean goal?"),
        ({"metric": {"name": "v", "target": 1}}, "metric.target: only W&B's own server stops at a target"),
        ({"parameters": None}, "parameters: expected the options to be varied under it"),
        ({"run_cap": 0}, "run_cap: expected a whole number of at least 1, got 0."),
        (parameter(), "parameters.model.lr: min and max missing: expected value, values, or min and max."),
        (parameter(min=1), "parameters.model.lr: max missing"),
        (parameter(valeus=[1]), "parameters.model.lr: there is no key valeus; did you mean values?"),
        (parameter(values=[]), "parameters.model.lr.values: expected a list of at least one value, got []."),
        (parameter(values=0.1), "parameters.model.lr.values: expected a list of at least one value, got 0.1."),
        (parameter(values=[1, 1]), "parameters.model.lr.values: 1 stands there twice."),
        (parameter(values=[[0.5, 0.9]]), "[0.5, 0.9] is no single value; put it in quotes, and it is passed"),
        (parameter(value=1, values=[1]), "value and values exclude each other"),
        (parameter(values=["1e-5"]), "values: YAML reads 1e-5 as a text, not a number; write 1.0e-5."),
        (parameter(min="1e-5", max=0.1), "model.lr.min: YAML reads 1e-5 as a text, not a number; write 1.0e-5."),
        (parameter(min="low", max=0.1), "parameters.model.lr.min: expected a number, got 'low'."),
        (parameter(min=0.1, max=float("inf")), "parameters.model.lr.max: expected a number, got inf."),
        (parameter(min=True, max=2), "parameters.model.lr.min: expected a number, got True."),
        (parameter(min=0.9, max=0.1), "parameters.model.lr: min 0.9 lies above max 0.1."),
        (parameter(distribution="log_uniform_values", min=0, max=1), "log_uniform_values expects min above 0, got 0."),
        (parameter(distribution="int_uniform", min=0.5, max=2), "int_uniform expects whole numbers, got min 0.5"),
        (parameter(distribution="q_uniform", q=0, **_RANGE), "parameters.model.lr: q 0: expected a step above 0."),
        (parameter(distribution="uniform", q=0.1, **_RANGE), "q belongs to q_uniform and q_log_uniform_values, not to"),
        (parameter(distribution="uniformly", **_RANGE), "there is no distribution uniformly; did you mean uniform?"),
        (parameter(distribution="normal", mu=0, sigma=1), "the distribution normal has no counterpart in Optuna"),
        (parameter(distribution="log_uniform", **_RANGE), "the distribution log_uniform has no counterpart in Optuna"),
        (parameter(values=[1, 2], probabilities=[0.9, 0.1]), "probabilities have no counterpart in Optuna"),
        (parameter(distribution=["uniform"], min=0, max=1), "model.lr: there is no distribution ['uniform']; did you"),
        (parameter(distribution="uniform", values=[1], min=5, max=1), "model.lr: values says nothing beside uniform;"),
        (parameter(distribution="uniform", min=5, max=1), "parameters.model.lr: min 5 lies above max 1."),
        (parameter(distribution=None, value=1, max=1), "model.lr: max says nothing beside constant; leave it out."),
        (parameter(values=[1], min=5, max=1), "parameters.model.lr: min says nothing beside categorical; leave it out"),
        (parameter(min=1, max=10**400), "model.lr.max: got a whole number of 401 digits: expected one of at most 9007"),
        (parameter(distribution="q_uniform", min=-1.5e308, max=1.5e308), "are more than can be counted."),
        ({"parameters": {1: {"value": 1}, "1": {"value": 2}}}, "parameters.1: expected the name of an option, got 1;"),
        ({"program": ["a"]}, "program: expected a name, as in program: lit-gan, got ['a']."),
        ({"program": ["a"], "command": ["echo", "${args}"]}, "program: expected a name, as in program: lit-gan, got"),
        (parameter(parameters={"lr": {"value": 1}}), "write the keys in full, as in model.lr.KEY."),
        ({"parameters": {"lr": 0.1}}, "parameters.lr: expected value, values, or min and max under it, got 0.1."),
        ({"parameters": {"lr": _RANGE}}, "parameters.lr: uniform is continuous, and a grid has points: give values"),
        ({"parameters": {"a": {"min": 1, "max": 10**7}, "b": {"values": [1, 2]}}}, "a grid of 2e+07 points: expected"),
        ({"early_terminate": {"type": "envelope"}}, "early_terminate.type: expected hyperband, got 'envelope'."),
        ({"early_terminate": {"type": "hyperband"}}, "early_terminate: expected either min_iter or max_iter (with s)."),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 1.5}}, "eta: expected a whole number"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 9}}, "early_terminate.s: missing"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 9, "s": 3}}, "max_iter 9 divided 3 times by eta 3"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3, "strict": 1}}, "strict: expected true or false"),
        ({"command": "lit-gan fit"}, "command: expected a list of words, got 'lit-gan fit'."),
        ({"command": ["${program}", "${argz}"]}, "command: there is no macro ${argz}; did you mean args?"),
        ({"command": ["${program}", "--all=${args}"]}, "${args} is replaced only where it is a word of its own."),
        ({"command": ["${program}"]}, "command: no ${args} in it, so that every trial would be the same"),
        ({"command": ["${program}", "${envvar:home}", "${args}"]}, "expected a variable of capitals, digits"),
        ({"program": None}, "program: missing, and command has ${program}"),
        ({"program": "lit-gan"}, "command: ${interpreter} runs scripts, and lit-gan is a command"),
        ({"program": "lit-gan", "command": None}, "command: ${interpreter} runs scripts, and lit-gan is a command"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_told_with_the_place(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "lr.yaml", **changes)

    with pytest.raises(UserError) as caught:
        load_sweep(file)

    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: grid\n  x: [", "is no YAML: line 2: mapping values are not allowed here."),
        ("run_cap: 2026-13-45", "is no YAML: month must be in 1..12."),
        ("run_cap: " + 5000 * "1", "is no YAML: Exceeds the limit (4300 digits) for integer string conversion"),
        ("", "expected the keys of a sweep (method, metric, parameters, command)."),
        ("- 1", "expected the keys of a sweep"),
    ],
)
def test_what_is_no_sweep_at_all(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lr.yaml").write_text(text)

    with pytest.raises(UserError) as caught:
        load_sweep(tmp_path / "lr.yaml")

    assert message in str(caught.value)


_WHOLE = b"""program: lit-gan
method: bayes
metric: {name: val/parzen_nll, goal: minimize}
command: ["${env}", "${program}", fit, --config, quickstart, "${args}"]
run_cap: 5
early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3}
parameters:
  a.lr: {distribution: log_uniform_values, min: 0.001, max: 0.1}
  b: {values: [1, 2.5, relu, false, null]}
  c: {min: 1, max: 9}
  d: {distribution: q_uniform, min: 0, max: 10, q: 2}
  e: {value: 3}
"""


def test_any_damage_is_told_or_leaves_what_can_be_searched(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    for damaged in mutations(_WHOLE, 150):
        file.write_bytes(damaged)
        try:
            sweep = load_sweep(file)
        except UserError as error:
            check_told(error)
            continue
        assert list(search_space(sweep.parameters)) == list(sweep.parameters)
        assert (number_of_trials(sweep, 7) or 0) <= 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("method: !!bool x\n", "s.yaml is no YAML: a value that is none"),
        ("method: " + "[" * 600, "s.yaml is no YAML: it is nested more than 100 deep"),
        ("run_cap: 0x" + "f" * 5000, "s.yaml is no YAML: a whole number of 20,000 bits"),
        ("method: &a [*a]", "s.yaml is no YAML: it is nested more than 100 deep"),
    ],
    ids=["tag", "nested", "digits", "alias"],
)
def test_a_value_that_nothing_can_read_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(UserError, match=told):
        load_sweep(tmp_path / "s.yaml")
