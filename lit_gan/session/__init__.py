"""A run with its Trainer: what the command line and Python share."""

from lit_gan.session.run import Run as Run
from lit_gan.session.run import RunTrainer as RunTrainer
