"""What `lit-gan figures` does once its options are read; torch is imported for it alone."""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningDataModule

import lit_gan.data  # noqa: F401 -- short class names in YAML resolve among what is imported
from lit_gan.cli.parsing.parser import Parser
from lit_gan.cli.parsing.unbuilt import construction_errors
from lit_gan.engine.import_policy import ImportPolicy
from lit_gan.engine.stored_configuration import StoredConfiguration
from lit_gan.errors import UserError
from lit_gan.figures.film import check_film_format
from lit_gan.figures.of_run import Drawn, FigureOptions, draw_figures
from lit_gan.figures.writing import check_formats
from lit_gan.generative import GenerativeModule
from lit_gan.runs.plain_data import parse_yaml
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.session.identity import FROM_PYTHON

_ADVICE = " To go on, "  # what follows is for trainings


def draw(options: argparse.Namespace, checkpoint: Path, run: Path) -> None:
    """Draws, and tells the path of each file, then what does not apply."""
    check_film_format("--film", options.film)
    how = FigureOptions(
        rows=options.rows,
        columns=options.columns,
        steps=options.steps,
        formats=check_formats(options.format.split(",")),
        film=options.film,
        seconds=options.seconds,
    )
    out = run / "figures" if options.out is None else Path(options.out)
    try:
        drawn = figures_of(run, checkpoint, out, how, allow=options.allow, root=options.root)
    except OSError as error:
        raise UserError(f"{error.filename or out} cannot be written ({error.strerror}): give --out FOLDER.") from error
    for path in drawn.paths:
        print(relative_to_cwd(path.absolute()))
    for name, why in drawn.left_out.items():
        print(f"lit-gan: no {name}: {why}.")


def figures_of(
    run: Path,
    checkpoint: Path,
    out: Path,
    options: FigureOptions | None = None,
    *,
    allow: Collection[str] = (),
    root: str | None = None,
) -> Drawn:
    """Draws every figure that applies to a run folder.

    Args:
        run: The run folder.
        checkpoint: Which of its checkpoints.
        out: Where the files go.
        options: How they are drawn.
        allow: Modules that may be imported because the run names them.
        root: Where the data are, in place of where they were.

    Returns:
        The files, and what does not apply; what needs data that cannot be read is among that.

    Raises:
        UserError: If the checkpoint is of no GAN, cannot be read, or names what may not be imported.
    """
    module = GenerativeModule.load_from_checkpoint(checkpoint, map_location="cpu", allow=allow)
    return draw_figures(module, data_of(run, allow=allow, root=root), run, out, options)


def data_of(run: Path, *, allow: Collection[str] = (), root: str | None = None) -> LightningDataModule | str:
    """The data that a run was trained on, set up; or why there are none, in words.

    Raises:
        UserError: If its configuration names what may not be imported.
    """
    config = run / "config.yaml"
    try:
        content: Any = parse_yaml(config.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        return f"{relative_to_cwd(config)} cannot be read ({type(error).__name__})"
    if not isinstance(content, dict) or not isinstance(content.get("data"), dict):
        return f"{relative_to_cwd(config)} says nothing of the data"
    if content.get(FROM_PYTHON):
        return "the run was trained from Python, and its config.yaml cannot bring its data back"
    section: dict[str, Any] = {"data": content["data"]}
    if root is not None:
        section["data"] = {**section["data"], "init_args": {**section["data"].get("init_args", {}), "root": root}}
    source = f"configuration {relative_to_cwd(config)}"
    StoredConfiguration(source, ImportPolicy.allowing(allow), run).check_sections(section, {})
    return _set_up(section, root)


def _set_up(section: dict[str, Any], root: str | None) -> LightningDataModule | str:
    parser = Parser(parser_mode="yaml")
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    try:
        with construction_errors():
            data: LightningDataModule = parser.instantiate_classes(parser.parse_object(section)).data
        data.prepare_data()
        data.setup("fit")
    except UserError as error:
        moved = "give --root DIR, where they are now" if root is None else f"--root {root} does not hold them"
        return f"{str(error).partition(_ADVICE)[0].rstrip('.')}: {moved}"
    return data
