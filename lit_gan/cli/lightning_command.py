"""The `lightning` command: `lightning fit` and its like are ours, everything else goes to Lightning's SDK.

Lightning itself installs no such script any more; its SDK does, and whichever of the two packages was installed last
owns the name. docs/how-to/lightning-command.md says what follows from that.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from lit_gan.cli.main import main as lit_gan_main

_OURS = ("fit", "validate", "test", "predict")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in _OURS:
        return lit_gan_main(arguments)
    if find_spec("lightning_sdk") is not None:
        return int(import_module("lightning_sdk.cli.entrypoint").main_cli() or 0)
    print(f"usage: lightning {{{','.join(_OURS)}}} [options]\n\nThe same as `lit-gan`; see `lit-gan --help`.")
    return 0 if not words or words[0] in ("-h", "--help") else 2
