"""`fit --init_from`: the weights of another run, and nothing else of it."""

import json
from pathlib import Path

import command_line
import pytest
import torch
from command_line import QUIET, fit, lit_gan, metrics, resolved, weights
from trainings import ENVIRON, Training

_STILL = ("--model.init_args.optimizer_g.init_args.lr=0", "--model.init_args.optimizer_d.init_args.lr=0")


def _same(one: Path, other: Path, part: str = "") -> list[bool]:
    here, there = weights(one), weights(other)
    return [torch.equal(here[name], there[name]) for name in there if name.startswith(part)]


@pytest.mark.parametrize("named", ["{}", "{}/checkpoints/last.ckpt", "{}/checkpoints"])
def test_a_run_begins_with_the_weights_of_another(named: str, finished_run: Path) -> None:
    """At rates of nought they stay what they were; the generator's bias, too, which a new one takes from its data."""
    start = named.format(finished_run)
    ending = fit(f"--init_from={start}", *_STILL, "--run_dir=new", "--seed_everything=5", epochs=1)
    assert ending.code == 0, ending.err
    assert all(_same(Path("new"), finished_run))
    checkpoint = command_line.checkpoint(Path("new"))
    assert (checkpoint["global_step"], checkpoint["epoch"]) == (4, 0)
    assert [int(row["step"]) for row in metrics(Path("new"))] == list(range(4))
    assert (resolved(Path("new"))["init_from"], "init_part" in resolved(Path("new"))) == (start, False)
    assert checkpoint["lit_gan"]["seed"] == 5
    assert "finished 4 rounds in 0:" in ending.out


def test_optimisers_and_schedules_begin_anew(finished_run: Path) -> None:
    flags = ("--model.init_args.optimizer_g=torch.optim.Adam", "--model.init_args.optimizer_g.init_args.lr=0.001")
    assert fit(f"--init_from={finished_run}", *flags, "--run_dir=new", epochs=1).code == 0
    states = command_line.checkpoint(Path("new"))["optimizer_states"]
    assert {int(state["step"]) for state in states[0]["state"].values()} == {4}
    assert states[0]["param_groups"][0]["lr"] == 0.001


def test_an_average_is_not_carried_over(finished_run: Path) -> None:
    """The new run's own begins at the weights, as trained."""
    old = command_line.checkpoint(finished_run)
    average = old["lit_gan"]["generator_average"]
    assert not all(torch.equal(average[name], old["state_dict"][f"generator.{name}"]) for name in average)
    assert fit(f"--init_from={finished_run}", *_STILL, "--run_dir=new", epochs=1).code == 0
    new = command_line.checkpoint(Path("new"))["lit_gan"]["generator_average"]
    assert all(torch.allclose(new[name], old["state_dict"][f"generator.{name}"]) for name in new)


@pytest.mark.parametrize(("part", "other"), [("generator", "discriminator"), ("discriminator", "generator")])
def test_one_player_alone(part: str, other: str, finished_run: Path) -> None:
    wide = {
        "generator": "--model.init_args.discriminator.init_args.hidden=[7,5]",
        "discriminator": "--model.init_args.generator.init_args.hidden=[9]",
    }
    ending = fit(f"--init_from={finished_run}", f"--init_part={part}", wide[part], *_STILL, "--run_dir=new", epochs=1)
    assert ending.code == 0, ending.err
    assert fit(wide[part], *_STILL, "--run_dir=fresh", epochs=1).code == 0
    assert all(_same(Path("new"), finished_run, part))
    assert all(_same(Path("new"), Path("fresh"), other))  # as it would be without; its bias is that of the data
    assert resolved(Path("new"))["init_part"] == part


def test_a_model_that_is_no_gan_takes_weights_too() -> None:
    own = ("--model=own_modules.OwnModule", "--data=own_modules.OwnData", *QUIET, "--wandb=off", "--report=false")
    assert lit_gan("fit", *own, "--trainer.max_epochs=1", "--run_dir=old").code == 0
    ending = lit_gan("fit", *own, "--trainer.max_epochs=1", "--run_dir=new", "--init_from=old")
    assert ending.code == 0, ending.err
    line = lit_gan("fit", *own, "--model.width=5", "--trainer.max_epochs=1", "--run_dir=b", "--init_from=old").line
    assert line.startswith(
        "--init_from old does not fit the model: layer.weight is 3 x 64 in it and 5 x 64 in the model"
    )


# -- Going on ----------------------------------------------------------------------------------------------------------

_STOPS = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=6")


@pytest.mark.parametrize("every", [1, 3])
def test_the_same_command_goes_on_from_its_own_checkpoint(every: int, finished_run: Path) -> None:
    """And begins with the weights again where it had none yet."""
    begin = (f"--init_from={finished_run}", f"--checkpoint.every_n_epochs={every}", *_STOPS)
    assert fit(*begin, "--run_dir=new", epochs=3).code == 130
    ending = fit(*begin, "--run_dir=new", epochs=3)
    assert f"continuing new after round {4 if every == 1 else 0}" in ending.out
    assert fit(*begin, "--run_dir=whole", epochs=3).code == 0
    assert all(_same(Path("new"), Path("whole")))
    assert json.loads(Path("new/run.json").read_text())["resumed"] == 1


def test_it_is_another_run_than_one_without(finished_run: Path) -> None:
    assert fit(f"--init_from={finished_run}", *_STOPS, epochs=3).code == 130
    assert "continuing" not in fit(*_STOPS, epochs=3).out


def test_what_is_typed_beats_what_a_configuration_says(finished_run: Path) -> None:
    assert fit(f"--init_from={finished_run}", "--run_dir=new", epochs=1).code == 0
    # The configuration of `new` begins with weights; this goes on with all of it.
    bare = ("--wandb=off", "--report=false")
    assert lit_gan("fit", "--ckpt_path=new", "--trainer.max_epochs=2", "--run_dir=further", *bare).code == 0
    assert "init_from" not in resolved(Path("further"))
    assert command_line.checkpoint(Path("further"))["global_step"] == 8
    # And the other way round.
    again = ("--config=further/config.yaml", "--init_from=new", "--run_dir=anew", *bare)
    assert lit_gan("fit", *again).code == 0
    assert "ckpt_path" not in resolved(Path("anew"))
    assert command_line.checkpoint(Path("anew"))["global_step"] == 8


@pytest.mark.slow
def test_two_ranks_begin_alike(finished_run: Path) -> None:
    training = Training.start(
        Path("two"), f"--init_from={finished_run}", *_STILL, "--trainer.max_epochs=1", environ=ENVIRON
    )
    try:
        assert training.wait() == 0, training.err
    finally:
        training.kill()
    assert all(_same(Path("two"), finished_run))


# -- What does not fit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--init_from=nowhere"], "nowhere does not exist: give the path of a checkpoint"),
        (
            ["--init_part=generator"],
            "--init_part generator: expected --init_from PATH with it, the weights to b",
        ),
        (
            ["--init_from={}", "--ckpt_path={}"],
            "--ckpt_path goes on with all that a checkpoint holds, --init_from begins",
        ),
        (["--init_from={}", "--init_part=critic"], "--init_part"),
        (
            ["--init_from={}", "--model.init_args.generator.init_args.hidden=[9, 256]"],
            "generator.hidden.0.weight is 256 x 32 in it and 9 x 32 in the model (and 2 more): expected the networks",
        ),
        (
            ["--init_from={}", "--init_part=generator", "--model.init_args.generator.init_args.hidden=[256, 256, 9]"],
            "--init_from {} does not fit the model: it has no generator.",
        ),
        (
            ["--init_from=part.ckpt", "--init_part=discriminator"],
            "--init_part discriminator: part.ckpt holds no discri",
        ),
        (["--init_from=other.ckpt"], "other.ckpt is no Lightning checkpoint"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_made(flags: list[str], message: str, finished_run: Path) -> None:
    content = command_line.checkpoint(finished_run)
    kept = {name: value for name, value in content["state_dict"].items() if name.startswith("generator")}
    torch.save({**content, "state_dict": kept}, "part.ckpt")
    torch.save({"weights": torch.zeros(1)}, "other.ckpt")
    line = fit(*(flag.format(finished_run) for flag in flags), "--run_dir=new", epochs=3).line
    assert message.format(finished_run) in line
    assert not Path("new").exists()
