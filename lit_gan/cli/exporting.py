"""What `lit-gan export` does once its options are read; torch is imported for it alone."""

import argparse
import io
from functools import partial
from pathlib import Path
from textwrap import indent

from lit_gan.callbacks.pictures import CHANNELS, grid_image, save_picture
from lit_gan.cli.parsing.run_arguments import run_folder_of
from lit_gan.cli.samples_file import check_target
from lit_gan.errors import UserError
from lit_gan.exporting import Export, FileFormat, OnnxFile, SafetensorsFile, TorchScriptFile, export_generator
from lit_gan.exporting.card import card
from lit_gan.exporting.loading_code import loading_code
from lit_gan.extensions.encoding import EncodingModule
from lit_gan.extensions.semi_supervised import SemiSupervisedGAN
from lit_gan.figures.row_labels import class_labels, described
from lit_gan.generative import GenerativeModule
from lit_gan.reporting.run_data import RunData
from lit_gan.runs.atomic_write import replace_atomically, write_all
from lit_gan.runs.checkpoint_files import load_checkpoint, resolve_checkpoint
from lit_gan.runs.relative_path import relative_to_cwd

_FORMATS: tuple[FileFormat, ...] = (OnnxFile(), TorchScriptFile(), SafetensorsFile())
_COLUMNS, _ROWS, _MOST_ROWS = 8, 8, 16  # of the picture on the card


def export(options: argparse.Namespace) -> str:
    """Exports, checks, writes; says what there is now, and how it is loaded."""
    [file_format] = [each for each in _FORMATS if each.name == options.format]
    checkpoint = resolve_checkpoint(options.checkpoint)
    run = run_folder_of(checkpoint)
    if options.out is None:
        out = (run or Path()) / "export" / f"generator{file_format.suffixes[0]}"
    else:
        out = Path(options.out)
        check_target(out, file_format.suffixes)
    file_format.check_installed()
    gan = GenerativeModule.load_from_checkpoint(checkpoint, map_location="cpu", allow=options.allow)
    exported = export_generator(gan, file_format, load_checkpoint(checkpoint), _num_samples(gan), options.license)
    was_there = out.exists()
    _write(out, exported, None if run is None else RunData.read(run))
    return _said(out, exported, was_there=was_there)


def _num_samples(gan: GenerativeModule) -> int:
    """As many as the picture shows: of each class a row, where there are not too many."""
    classes: int | None = getattr(gan, "num_classes", None)
    return _COLUMNS * (_ROWS if classes is None or gan.sample_condition(1) is None else min(classes, _MOST_ROWS))


def _write(out: Path, exported: Export, run: RunData | None) -> None:
    """The file, and beside it what its name begins the names of."""
    caption, picture = _picture(exported)
    page = card(exported, out.name, run, caption, f"{out.name}.png" if picture else None)
    files = {f"{out}.md": page.encode(), str(out): exported.content}
    if picture:
        files[f"{out}.png"] = picture
    if exported.file_format.name == "safetensors":  # which has no room for it
        files[f"{out}.json"] = exported.description_text.encode()
    try:
        out.parent.mkdir(exist_ok=True)
        for name, content in files.items():
            replace_atomically(Path(name), partial(write_all, data=content, offset=0))
    except OSError as error:
        raise UserError(f"{error.filename or out}: cannot be written ({error.strerror}): give --out FILE.") from error


def _picture(exported: Export) -> tuple[str, bytes | None]:
    """What samples look like, and what is said of that."""
    images = exported.images
    channels = images.shape[1]
    if channels not in CHANNELS:
        return f"No picture: samples with {channels} channels are none.", None
    condition = exported.inputs.get("condition")
    labels = class_labels(exported.gan, condition)
    caption = described(len(images), _COLUMNS, labels)
    file = io.BytesIO()
    save_picture(grid_image(images, _COLUMNS, labels), file, ".png", caption)
    return caption, file.getvalue()


def _said(out: Path, exported: Export, *, was_there: bool) -> str:
    file, described_as = relative_to_cwd(out.absolute()), exported.description
    takes = ", ".join(f"{each['name']} {_shape(each['shape'])}" for each in described_as["inputs"])
    size = f"{len(exported.content) / 1e6:.1f} MB"
    replaced = " (the older file of that name is replaced)" if was_there else ""
    gives = _shape(described_as["output"]["shape"])
    code = loading_code(exported.file_format.name, file, described_as)
    return "\n".join(
        [
            f"lit-gan: wrote {file}{replaced}, {size}: {takes} -> images {gives} in [0, 1]",
            f"lit-gan: {exported.checked}.",
            *_left_out(exported.gan),
            f"lit-gan: its card is {file}.md. It is loaded, without lit-gan, by",
            "",
            indent(code, "    "),
        ]
    )


def _shape(shape: list[object]) -> str:
    return f"({', '.join(map(str, shape))})"


def _left_out(gan: GenerativeModule) -> list[str]:
    """What of a model is not in the file, where it is more than a generator."""
    if isinstance(gan, EncodingModule):
        return ["lit-gan: its encoder is not in the file: images to latents are for gan.encode(x) in Python."]
    if isinstance(gan, SemiSupervisedGAN):
        return ["lit-gan: its classifier is not in the file: classes of images are for gan.classify(x) in Python."]
    return []
