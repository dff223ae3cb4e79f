import inspect
from pathlib import Path
from typing import Any

import pytest

from lit_gan.coordination import FixedSteps
from lit_gan.data import ImageFolderDataModule
from lit_gan.latents import Uniform
from lit_gan.runs.fingerprint import describe_differences, fingerprint, plain, short_names


def test_order_and_container_types_do_not_count():
    first = {"a": {"x": 1, "y": (1, 2)}, "root": Path("data")}
    second = {"root": "data", "a": {"y": [1, 2], "x": 1}}
    assert fingerprint(first) == fingerprint(second)


@pytest.mark.parametrize("other", [{"lr": 0.1000000000000001}, {"lr": "0.1"}, {"lr": None}, {}, {"lr": 0.1, "k": 1}])
def test_any_difference_of_content_counts(other):
    assert fingerprint({"lr": 0.1}) != fingerprint(other)


def test_a_configuration_survives_its_file():
    config = {1: (2, {"path": Path("x")}), "flag": True, "none": None}
    assert plain(plain(config)) == plain(config)
    assert fingerprint(plain(config)) == fingerprint(config)


def test_differences_name_got_and_expected_and_count_the_rest():
    got = {"model": {"lr": 0.1, "k": 1}, **{f"key{i}": i for i in range(5)}}
    expected = {"model": {"lr": 0.2, "k": 1}, "seed": 3}
    text = describe_differences(got, expected)
    assert text.startswith("model.lr: got 0.1, expected 0.2; key0: got 0, expected nothing; ")
    assert text.endswith("; and 3 more")
    assert "model.k" not in text


def test_an_empty_mapping_differs_from_a_missing_one():
    assert describe_differences({"a": {}}, {}) == "a: got {}, expected nothing"


def test_a_run_on_pictures_goes_on_where_options_were_added() -> None:
    defaults = inspect.signature(ImageFolderDataModule).parameters
    added = {name: defaults[name].default for name in ("cache", "horizontal_flip", "random_crop")}
    earlier = {"data": {"init_args": {"root": "pictures", "image_size": 64}}}
    now = {"data": {"init_args": {**earlier["data"]["init_args"], **added}}}
    assert fingerprint(now) == fingerprint(earlier)
    now["data"]["init_args"]["random_crop"] = 8
    assert describe_differences(now, earlier) == "data.init_args.random_crop: got 8, expected nothing"


def test_defaults_that_name_their_class_are_what_null_was() -> None:
    earlier = {"model": {"latent": None, "objective": None, "coordination": None, "clip_g": None}}
    now = {
        "model": {
            "latent": {"class_path": "lit_gan.latents.Uniform", "init_args": _plain(Uniform)},
            "objective": {"class_path": "lit_gan.objectives.NonSaturating"},
            "coordination": {"class_path": "lit_gan.coordination.FixedSteps", "init_args": _plain(FixedSteps)},
            "clip_g": None,
            "penalties": [],
            "augment": None,
        }
    }
    assert fingerprint(now) == fingerprint(earlier)
    assert describe_differences(now, earlier) == ""
    now["model"]["coordination"]["init_args"]["k"] = 2
    assert fingerprint(now) != fingerprint(earlier)
    assert fingerprint({**earlier, "penalties": [{"class_path": "lit_gan.penalties.R1"}]}) != fingerprint(earlier)


def _plain(part: type) -> dict[str, Any]:
    return {name: each.default for name, each in inspect.signature(part).parameters.items()}


def test_short_names_tell_apart_what_is_apart() -> None:
    names = ["a.init_args.b.init_args.lr", "c.init_args.lr", "lr", "init_args", "x.y"]

    assert short_names(names) == {
        "a.init_args.b.init_args.lr": "b.lr",
        "c.init_args.lr": "c.lr",
        "lr": "lr",
        "init_args": "init_args",
        "x.y": "y",
    }
