"""`lit-gan export`: the generator of a run as a file that needs no lit-gan, checked, with a model card beside it."""

import argparse
from importlib import import_module
from pathlib import Path

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import resolve_checkpoint

_FORMATS = {".onnx": "onnx", ".pt": "torchscript", ".ts": "torchscript", ".safetensors": "safetensors"}


def main(verb: str, arguments: list[str]) -> int:
    """Writes the file and its card, and says how it is loaded."""
    options = _parser(verb).parse_args(arguments)
    resolve_checkpoint(options.checkpoint)
    if options.format is None:
        options.format = _FORMATS.get(Path(options.out or "").suffix.lower())
    if options.format is None:
        raise UserError("--format: expected onnx, torchscript or safetensors, or --out FILE.onnx, .pt or .safetensors.")
    if not options.license.strip() or not options.license.isprintable():
        raise UserError(f"--license {options.license!r}: expected a name in one line, such as cc-by-4.0.")
    print(import_module("lit_gan.cli.exporting").export(options))  # torch, for a command that is worth it
    return 0


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__)
    parser.add_argument("checkpoint", help="a run folder, or a checkpoint")
    parser.add_argument(
        "--format",
        choices=tuple(dict.fromkeys(_FORMATS.values())),
        help="onnx: for ONNX Runtime and others; torchscript: for torch, in Python or C++; safetensors: weights alone "
        "(default: by the end of --out)",
    )
    parser.add_argument(
        "--out",
        "--output",
        metavar="FILE",
        help="the file; one that is there is replaced; its card, FILE.md, and a picture of samples, FILE.png, go "
        "beside it (default: export/generator.onnx, .pt or .safetensors in the run folder)",
    )
    parser.add_argument(
        "--license",
        default="unknown",
        metavar="NAME",
        help="what the card says of it, say cc-by-4.0 (default: unknown)",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="import MODULE if the checkpoint names it; repeatable",
    )
    return parser
