"""Which diseases logged numbers tell, and that healthy ones tell none."""

import re
from typing import Any

import pytest

from lit_gan.evaluation.diagnosis import Finding, Game, diagnose

Row = dict[str, float]

TRAIN = {"train/d_lead": 0.3, "train/d_real": 0.55, "train/lr_d": 0.2}
VAL = {
    "val/d_lead": 0.4,
    "val/d_real": 0.53,
    "val/parzen_nll": -20.0,
    "val/parzen_se": 0.8,
    "val/near_duplicates": 0.01,
    "val/near_duplicates_real": 0.02,
    "val/classes_covered": 1.0,
    "val/modes_covered": 1.0,
    "val/memorization": 0.1,
    "val/memorization_real": 0.45,
}


def rows(train: Row | None = None, val: Row | None = None, rounds: int = 2000, every: int = 200) -> list[Row]:
    """A row every 50 rounds, and a validation every ``every``; numbers of a healthy training but for those given."""
    found = []
    for number in range(50, rounds + 1, 50):
        row = {"step": number - 1.0, **TRAIN, **(train or {})}
        found.append(row | ({**VAL, **(val or {})} if number % every == 0 else {}))
    return found


AHEAD = {"train": {"train/d_lead": 0.95}, "val": {"val/d_lead": 0.99, "val/near_duplicates": 0.9}}
SICK: dict[str, dict[str, Any]] = {
    "discriminator wins": AHEAD,
    "collapse": {"val": {"val/near_duplicates": 0.9}},
    "lost modes": {"val": {"val/classes_covered": 0.9}},
    "memorization": {"val": {"val/memorization": 0.8}},
}


def diseases(found: list[Finding]) -> list[str]:
    return [finding.disease for finding in found]


@pytest.mark.parametrize("disease", SICK)
def test_each_is_told_by_its_numbers_and_no_other(disease: str) -> None:
    assert diseases(diagnose(rows(**SICK[disease]))) == [disease]


def test_a_healthy_training_has_none() -> None:
    assert diagnose(rows()) == []
    assert diagnose([]) == []


@pytest.mark.parametrize("disease", SICK)
def test_it_has_to_last(disease: str) -> None:
    sick, healthy = rows(**SICK[disease]), rows()
    assert diagnose(sick[:19]) == []  # 950 rounds
    assert diagnose(rows(**SICK[disease], every=1000)) == []  # two validations
    assert diagnose(healthy[:30] + sick[30:]) == []  # for 500 rounds
    assert diagnose(sick[:36] + healthy[36:]) == []  # it has passed
    assert diseases(diagnose(healthy[:20] + sick[20:])) == [disease]


def test_a_number_that_was_not_logged_says_nothing() -> None:
    for disease in SICK.values():
        without = [{name: number for name, number in row.items() if name == "step"} for row in rows(**disease)]
        assert diagnose(without) == []


def test_a_lead_of_d_alone_is_no_disease_while_the_samples_get_better() -> None:
    found = rows({"train/d_lead": 0.95}, {"val/d_lead": 0.99})
    validations = [row for row in found if "val/d_lead" in row]
    for place, row in enumerate(validations):
        row["val/parzen_nll"] = -20.0 - 2 * place  # with an error of 0.8
    assert diagnose(found) == []
    for place, row in enumerate(validations):
        row["val/parzen_nll"] = -20.0 - 0.1 * place
    assert diseases(diagnose(found)) == ["discriminator wins"]


@pytest.mark.parametrize(("lead", "disease"), [(0.45, "collapse"), (0.6, "discriminator wins")])
def test_of_collapsed_samples_the_lead_tells_the_cause(lead: float, disease: str) -> None:
    val = {"val/d_lead": lead, "val/near_duplicates": 0.9}
    assert diseases(diagnose(rows({"train/d_lead": 0.6}, val))) == [disease]
    assert diagnose(rows({"train/d_lead": 0.6}, {"val/d_lead": lead})) == []


def _slow_start(*near: float) -> list[Row]:
    leads = (0.92, 0.88, 0.72, 0.71)
    val = [{"val/d_lead": lead, "val/near_duplicates_real": 0.0} for lead in leads[: len(near)]]
    later = [row | {"val/near_duplicates": share} for row, share in zip(val, near, strict=True)]
    return [
        {"step": 2500 * (i + 1) - 1, "train/d_lead": row["val/d_lead"], "train/lr_d": 0.1, **row}
        for i, row in enumerate(later)
    ]


def test_a_slow_start_that_mends_is_no_disease() -> None:
    """The paper's MNIST run with its shipped seed: of a D that had won it was told after 15 epochs, of 250."""
    assert diagnose(_slow_start(0.984, 0.860, 0.511)) == []
    assert diagnose(_slow_start(0.99, 0.95, 0.88)) == []
    assert diseases(diagnose(_slow_start(0.99, 0.95, 0.90))) == ["discriminator wins"]  # by too little
    assert diseases(diagnose(_slow_start(0.984, 0.6, 0.65))) == ["discriminator wins"]  # no longer
    assert diseases(diagnose(_slow_start(0.99, 0.95, 0.88, 0.88))) == ["discriminator wins"]


def test_the_real_value_is_what_near_duplicates_are_held_against() -> None:
    assert diagnose(rows(val={"val/near_duplicates": 0.9, "val/near_duplicates_real": 0.5})) == []


def test_d_that_knows_its_examples_by_heart() -> None:
    train, val = {"train/d_real": 0.62, "train/d_lead": 0.45}, {"val/d_real": 0.31, "val/d_lead": -0.2}
    [found] = diagnose(rows(train, val))
    assert found.disease == "memorization"
    assert "its own examples 0.62 (train/d_real) and held-out ones 0.31" in found.evidence
    assert diagnose(rows(train, {**val, "val/d_lead": 0.1})) == []  # it still tells them from samples
    assert diagnose(rows({**train, "train/d_real": 0.4}, val)) == []
    assert diagnose(rows({**train, "train/d_lead": 0.1}, val)) == []


@pytest.mark.parametrize(
    ("disease", "game", "remedy"),
    [
        ("discriminator wins", Game(k=5), "--model.init_args.coordination.init_args.k 1"),
        (
            "discriminator wins",
            Game(k=2, saturates=True),
            "--model.init_args.objective NonSaturating, or --model.init_args.coordination.init_args.k 1",
        ),
        ("discriminator wins", Game(), ".*weight_init 0.2.*, or --model.init_args.optimizer_d.init_args.lr 0.05"),
        ("collapse", Game(), ".*optimizer_d.init_args.lr 0.8, or --model.init_args.coordination.init_args.k 2"),
        ("lost modes", Game(k=2), "--model.init_args.coordination.init_args.k 3, or larger minibatches .*"),
        ("memorization", Game(), "--model.init_args.augment DiffAugment, or more training images, .*"),
        ("memorization", Game(augments=True), "more training images, or a shorter training .*"),
    ],
)
def test_the_remedy_is_the_setting_as_it_is_typed(disease: str, game: Game, remedy: str) -> None:
    [found] = diagnose(rows(**SICK[disease]), game)
    assert re.fullmatch(remedy, found.remedy)


def test_it_lasts_as_long_as_is_said() -> None:
    sick = rows(**SICK["collapse"], rounds=4000)
    assert diseases(diagnose(sick, rounds=4000)) == ["collapse"]
    assert diagnose(sick, rounds=4001) == []
    assert diagnose(rows(rounds=2000) + [row | {"step": row["step"] + 2000} for row in sick[:40]], rounds=3000) == []


def test_what_is_told_is_one_line_with_its_numbers() -> None:
    [found] = diagnose(rows(**SICK["collapse"]))
    assert str(found) == (
        "the generator has collapsed after round 2,000: 90% of the samples are near-duplicates of others "
        "(val/near_duplicates; real images 2%). Try --model.init_args.optimizer_d.init_args.lr 0.8, or "
        "--model.init_args.coordination.init_args.k 2."
    )


def test_what_follows_from_another_disease_is_not_a_second_one() -> None:
    both = {"val": {**AHEAD["val"], "val/classes_covered": 0.1, "val/memorization": 1.0}}
    assert diseases(diagnose(rows(AHEAD["train"], both["val"]))) == ["discriminator wins"]
    assert diseases(diagnose(rows(val={**both["val"], "val/d_lead": 0.2}))) == ["collapse"]


def test_a_wait_is_by_rounds_where_validations_come_often() -> None:
    sick, healthy = rows(**SICK["collapse"], every=50), rows(every=50)
    assert diagnose(healthy[:30] + sick[30:]) == []  # ten validations, of 500 rounds
    assert diseases(diagnose(healthy[:20] + sick[20:])) == ["collapse"]
