"""`python -m lit_gan` is `lit-gan`."""

import sys

from lit_gan.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
