"""`fit --init_from`: a new run that begins with the weights of another one, and with nothing else of it."""

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch import LightningModule
from torch import Tensor, nn

from lit_gan.cli.parsing.options import Part
from lit_gan.errors import UserError
from lit_gan.generative import GenerativeModule
from lit_gan.runs.checkpoint_files import load_checkpoint


def load_initial_weights(model: LightningModule, path: str | Path, part: Part | None) -> None:
    """Gives a model that is about to be trained the weights of a checkpoint: those as trained, of both players.

    An average of the generator's weights that the checkpoint keeps is left there: a new run keeps its own.
    """
    state: dict[str, Tensor] = load_checkpoint(path)["state_dict"]
    module: nn.Module = model
    if part is not None:
        module, state = _part_of(model, state, path, part)
    _check_fits(module.state_dict(), state, path, part)
    module.load_state_dict(state)
    if isinstance(model, GenerativeModule) and part != "discriminator":
        model.has_begun = True  # what a generator takes from its data at the start is among the weights


def _part_of(
    model: LightningModule, state: Mapping[str, Tensor], path: str | Path, part: Part
) -> tuple[nn.Module, dict[str, Tensor]]:
    module, prefix = getattr(model, part, None), f"{part}."
    found = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if not found or not isinstance(module, nn.Module):
        where = f"{path} holds" if not found else f"the {type(model).__name__} that is configured has"
        raise UserError(f"--init_part {part}: {where} no {part}: expected one of {', '.join(_parts(state)) or 'none'}.")
    return module, found


def _parts(state: Mapping[str, Tensor]) -> list[str]:
    return sorted({name.partition(".")[0] for name in state})


def _check_fits(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], path: str | Path, part: Part | None) -> None:
    """All at once and before any is copied: a model is never left with the weights of two runs."""
    before = "" if part is None else f"{part}."
    faults = [f"it has no {before}{name}" for name in wanted if name not in given]
    faults += [f"the model has no {before}{name}" for name in given if name not in wanted]
    faults += [
        f"{before}{name} is {_shape(given[name])} in it and {_shape(wanted[name])} in the model"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        alone = "; --init_part generator or discriminator takes one player alone" if part is None else ""
        raise UserError(
            f"--init_from {path} does not fit the model: {faults[0]}{more}: expected the networks that it was trained "
            f"with{alone}."
        )


def _shape(weights: Tensor) -> str:
    return " x ".join(map(str, weights.shape)) or "a number"
