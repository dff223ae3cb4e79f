"""lit-gan: generative adversarial networks on PyTorch Lightning.

The public names are loaded on first use (PEP 562): ``import lit_gan`` itself imports neither torch nor Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lit_gan import earlier_import_paths

if TYPE_CHECKING:
    from lit_gan.engine.rounds import RoundModule as RoundModule
    from lit_gan.extensions.conditional import ConditionalGAN as ConditionalGAN
    from lit_gan.extensions.inference import InferenceNetwork as InferenceNetwork
    from lit_gan.extensions.inpainting import InpaintingGAN as InpaintingGAN
    from lit_gan.extensions.semi_supervised import SemiSupervisedGAN as SemiSupervisedGAN
    from lit_gan.gan import GAN as GAN
    from lit_gan.session.run import Run as Run

__version__ = "0.2.0"

_DEFINED_IN = {
    "GAN": "lit_gan.gan",
    "ConditionalGAN": "lit_gan.extensions.conditional",
    "InferenceNetwork": "lit_gan.extensions.inference",
    "InpaintingGAN": "lit_gan.extensions.inpainting",
    "SemiSupervisedGAN": "lit_gan.extensions.semi_supervised",
    "RoundModule": "lit_gan.engine.rounds",
    "Run": "lit_gan.session.run",
}

earlier_import_paths.install()

__all__ = [
    "GAN",
    "ConditionalGAN",
    "InferenceNetwork",
    "InpaintingGAN",
    "RoundModule",
    "Run",
    "SemiSupervisedGAN",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module 'lit_gan' has no attribute {name!r}")
    return getattr(import_module(_DEFINED_IN[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
