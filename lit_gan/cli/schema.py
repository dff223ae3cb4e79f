"""`lit-gan schema`: the JSON Schema of a configuration, for editors."""

import json
from importlib import import_module
from pathlib import Path

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.errors import DONE, UserError
from lit_gan.runs.atomic_write import write_atomically


def main(verb: str, arguments: list[str]) -> int:
    """Writes it, or prints it."""
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__, allow_abbrev=False)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="Of your own, whose classes are to be known, too.")
    parser.add_argument("--out", type=Path, help="The file; printed where none is given.")
    options = parser.parse_args(arguments)
    if options.out is not None and not options.out.absolute().parent.is_dir():
        raise UserError(f"--out {options.out}: there is no folder {options.out.parent}.")
    schema = import_module("lit_gan.cli.parsing.json_schema").configuration_schema(options.modules)
    text = json.dumps(schema, indent=1) + "\n"
    if options.out is None:
        print(text, end="")
    else:
        try:
            write_atomically(options.out, text)
        except OSError as error:
            raise UserError(f"{options.out}: cannot be written ({error.strerror}): give --out FILE.") from error
        print(f"lit-gan: wrote {options.out}")
    return DONE
