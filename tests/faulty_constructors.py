"""Networks of a user's own that cannot be built, each for another reason."""

from importlib import import_module
from typing import Any

import torch
from own_modules import OwnGenerator


class LacksKey(OwnGenerator):
    """Looks for a key that is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.width = {"depth": 3}["width"]


class Asserts(OwnGenerator):
    """Asserts, without a word."""

    def __init__(self, latent_size: int = 4) -> None:
        super().__init__(latent_size)
        assert latent_size > 20


class MixesTypes(OwnGenerator):
    """Adds a text to a number, further down."""

    def __init__(self) -> None:
        super().__init__()
        self.width = self._width("3")

    def _width(self, width: Any) -> Any:
        return 4 + width


class Refuses(OwnGenerator):
    """Refuses in words of its own, on two lines."""

    def __init__(self) -> None:
        raise ValueError("depth = 3:\n  expected an even number.")


class FailsInTorch(OwnGenerator):
    """Fails in an operation of torch."""

    def __init__(self) -> None:
        super().__init__()
        torch.zeros(2).view(3)


class LacksPackage(OwnGenerator):
    """Imports what is not installed."""

    def __init__(self) -> None:
        super().__init__()
        import_module("no_such_package")


class Untyped(OwnGenerator):
    """Has arguments without types, as tutorials do; all but the last are needed."""

    def __init__(self, image_shape, depth, latent_size=4):  # type: ignore[no-untyped-def]
        super().__init__(latent_size)
        self.depth = depth + 1
