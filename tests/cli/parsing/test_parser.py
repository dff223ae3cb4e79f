"""What a command line means before anything is built."""

from pathlib import Path
from typing import Any

import yaml
from command_line import lit_gan


def resolved(*arguments: Any) -> dict[str, Any]:
    """The configuration that `fit` would run with."""
    ending = lit_gan("fit", *arguments, "--print_config")
    assert ending.code == 0, ending.err
    content: dict[str, Any] = yaml.safe_load(ending.out)
    return content


def test_a_bare_name_is_a_shipped_configuration() -> None:
    assert resolved("--config", "mnist")["data"]["class_path"] == "lit_gan.data.MNISTDataModule"


def test_a_file_of_that_name_wins_and_a_folder_does_not() -> None:
    Path("quickstart").mkdir()
    assert resolved("--config", "quickstart")["trainer"]["max_epochs"] == 500
    Path("quickstart").rmdir()
    Path("quickstart").write_text("trainer: {max_epochs: 7}")
    assert resolved("--config", "quickstart")["trainer"]["max_epochs"] == 7


def test_later_configurations_win_and_flags_win_over_all() -> None:
    Path("more.yaml").write_text("trainer: {max_epochs: 7, max_steps: 70}\nseed_everything: 5")
    config = resolved("--config", "quickstart", "--config", "more.yaml", "--trainer.max_steps", 9)
    assert (config["trainer"]["max_epochs"], config["trainer"]["max_steps"]) == (7, 9)
    assert config["seed_everything"] == 5
    assert config["model"]["init_args"]["generator"]["init_args"]["latent_size"] == 32


def test_long_and_short_keys_mean_the_same() -> None:
    long = resolved("--config", "mnist", "--model.init_args.optimizer_g.init_args.lr", 0.3)
    assert long == resolved("--config", "mnist", "--model.optimizer_g.lr", 0.3)
    assert long["model"]["init_args"]["optimizer_g"]["init_args"]["lr"] == 0.3


def test_options_are_never_abbreviated() -> None:
    assert lit_gan("fit", "--config", "quickstart", "--trainer.max_st", 3).line.startswith("--trainer.max_st: no such")


def test_a_refused_command_leaves_nothing_behind_for_the_next_one() -> None:
    """All commands of a process are read by one parser."""
    assert (
        "--trainer.max_epochs"
        in lit_gan("fit", "--config", "quickstart", "--print_config", "--trainer.max_epochs=x").line
    )
    ending = lit_gan("fit", "--config", "quickstart", "--trainer.max_epochs=x")
    assert (ending.code, ending.out) == (2, "")
    assert resolved("--config", "quickstart", "--trainer.max_epochs=3")["trainer"]["max_epochs"] == 3
    assert resolved("--config", "quickstart")["trainer"]["max_epochs"] == 500


def test_a_key_in_a_file_of_one_group_is_told_with_its_group() -> None:
    Path("trainer.yaml").write_text("trainer: {max_steps: 3}")
    line = lit_gan("fit", "--config", "quickstart", "--trainer=trainer.yaml").line
    assert line == "--trainer.trainer.max_steps: no such option; `lit-gan fit --help all` lists the options."


def test_what_the_parser_has_no_more_is_no_option() -> None:
    line = lit_gan("fit", "--config", "quickstart", "--print_shtab=bash").line
    assert line == "--print_shtab: no such option; `lit-gan fit --help all` lists the options."
