"""Going on from a checkpoint with the optimisers and schedules that are asked for now."""

import warnings
from collections.abc import Mapping
from typing import Any

from lit_gan.engine.optimizer_settings import Progress, Settings, groups_of, same
from lit_gan.engine.players import Player
from lit_gan.errors import UserError, in_short
from lit_gan.runs.checkpoint_files import ended_epochs


def apply_settings(players: Mapping[Any, Player], checkpoint: dict[str, Any], built_from: Mapping[str, Any]) -> None:
    """Puts into a checkpoint's optimisers and schedulers what is asked for, where it was trained with others."""
    if "optimizer_states" not in checkpoint or "lr_schedulers" not in checkpoint:
        return  # Lightning says what it misses
    states = checkpoint["optimizer_states"]
    _check_number(
        states, len(players), f"optimisers, and the module has {len(players)} ({', '.join(map(str, players))})"
    )
    recorded = _recorded(players, checkpoint, built_from)
    if recorded is None:
        return
    rounds, epochs = int(checkpoint.get("global_step", 0)), ended_epochs(checkpoint)
    progress = Progress(rounds, epochs, images_of_a_round(checkpoint))
    schedulers, kept = list(checkpoint["lr_schedulers"]), []
    for (name, player), state in zip(players.items(), states, strict=True):
        own, schedulers = _cut(schedulers, len(recorded[name].schedules))
        kept += player.configured.put_into(state, own, recorded[name], progress)
    checkpoint["lr_schedulers"] = kept


def images_of_a_round(checkpoint: Mapping[str, Any]) -> int | None:
    """How many a GAN's round had, over all ranks; ``None`` where an older checkpoint does not tell."""
    images = checkpoint.get("lit_gan", {}).get("images_per_round")
    if images is not None and (not isinstance(images, int) or isinstance(images, bool) or images < 1):
        raise UserError(
            f"the checkpoint's images_per_round is {in_short(repr(images))}: expected a whole number from 1 on; give "
            "another checkpoint, or begin anew with its weights alone (--init_from PATH in place of --ckpt_path)."
        )
    return images


def _check_number(states: list[Any], number: int, counted: str) -> None:
    """Lightning takes back as many as there are, and leaves the others as they begin."""
    if len(states) != number:
        raise UserError(
            f"the checkpoint holds the states of {len(states)} {counted}: expected all of them; give another "
            "checkpoint, or begin anew with its weights alone (--init_from PATH in place of --ckpt_path)."
        )


def _cut(items: list[Any], count: int) -> tuple[list[Any], list[Any]]:
    return items[:count], items[count:]


def _recorded(
    players: Mapping[Any, Player], checkpoint: Mapping[str, Any], built_from: Mapping[str, Any]
) -> dict[Any, Settings] | None:
    """What the checkpoint was trained with; ``None`` where an old one does not tell, which is said."""
    record = checkpoint.get("lit_gan", {}).get("settings")
    if record is not None:
        if record.keys() != players.keys():
            raise UserError(
                f"the checkpoint's players are {', '.join(record)}, and the module's {', '.join(players)}: expected "
                "the same; begin anew with the weights alone (--init_from PATH in place of --ckpt_path)."
            )
        recorded = {name: Settings(**record[name]) for name in players}
        number = sum(len(each.schedules) for each in recorded.values())
        _check_number(checkpoint["lr_schedulers"], number, f"schedules, and was trained with {number}")
        return recorded
    stored = checkpoint.get("hyper_parameters", {})
    names = [player.argument(each) for player in players.values() for each in ("optimizer", "schedule")]
    if stored.keys() >= set(names):
        return {name: _as_stored(player, stored, built_from) for name, player in players.items()}
    if not checkpoint["lr_schedulers"]:  # nothing has moved what the optimisers began with
        states = checkpoint["optimizer_states"]
        return {name: _as_left(player, state) for (name, player), state in zip(players.items(), states, strict=True)}
    warnings.warn(
        "the checkpoint is of an early version that does not tell how its optimisers and schedules were set: they go "
        "on as they are in it, whatever this GAN asks for.",
        stacklevel=2,
    )
    return None


def _as_stored(player: Player, stored: Mapping[str, Any], built_from: Mapping[str, Any]) -> Settings:
    """By the class paths and arguments that the module was built from; nothing that they name is imported."""
    said, kind = stored[player.argument("optimizer")], type(player.build_optimizer())
    if said["class_path"].rpartition(".")[2] != kind.__name__:
        return Settings(said["class_path"], [], [])
    groups = groups_of(kind(player.parameters, **said.get("init_args", {})))
    asked = player.configured.on(groups)
    schedule = player.argument("schedule")
    before, now = stored[schedule], built_from.get(schedule, ())
    unchanged = same(_plain(before), _plain(now))
    return asked if unchanged else Settings(asked.optimizer, groups, [{"scheduler": "another"} for _ in before])


def _as_left(player: Player, state: Mapping[str, Any]) -> Settings:
    """By the state itself, where no schedule has changed it."""
    player.build_optimizer()
    groups = [{name: value for name, value in group.items() if name != "params"} for group in state["param_groups"]]
    fits = all(asked.keys() <= group.keys() for asked, group in zip(player.settings.groups, groups, strict=False))
    # `fused` is this package's choice for the device, and was not asked for.
    groups = [{**group, "fused": None} if "fused" in group else group for group in groups]
    return Settings(player.settings.optimizer if fits else "of another kind", groups, [])


def _plain(value: Any) -> Any:
    """As plain data, whatever mappings the command line made of it."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
