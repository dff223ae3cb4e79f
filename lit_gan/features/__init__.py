"""What metrics look at in place of pixels: modules from images ``(N, C, H, W)`` in [0, 1] to features ``(N, F)``."""

from lit_gan.features.efficientnet import EfficientNetLite0 as EfficientNetLite0
from lit_gan.features.pixels import Pixels as Pixels
from lit_gan.features.reference_classifier import ReferenceClassifier as ReferenceClassifier
