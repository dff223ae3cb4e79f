"""Callbacks that watch a GAN and act on it."""

from lit_gan.callbacks.auto_precision import AutoPrecision as AutoPrecision
from lit_gan.callbacks.compiled_players import CompiledPlayers as CompiledPlayers
from lit_gan.callbacks.completion_evaluation import CompletionEvaluation as CompletionEvaluation
from lit_gan.callbacks.diagnosis import Diagnosis as Diagnosis
from lit_gan.callbacks.discriminator_ema import DiscriminatorEMA as DiscriminatorEMA
from lit_gan.callbacks.ema import GeneratorEMA as GeneratorEMA
from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation as GenerativeEvaluation
from lit_gan.callbacks.graceful_stop import GracefulStop as GracefulStop
from lit_gan.callbacks.inference_evaluation import InferenceEvaluation as InferenceEvaluation
from lit_gan.callbacks.interpolation import Interpolation as Interpolation
from lit_gan.callbacks.known_density import KnownDensityEvaluation as KnownDensityEvaluation
from lit_gan.callbacks.lookahead import Lookahead as Lookahead
from lit_gan.callbacks.numeric_guard import NumericGuard as NumericGuard
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation as ParzenEvaluation
from lit_gan.callbacks.player_monitor import PlayerMonitor as PlayerMonitor
from lit_gan.callbacks.run_checkpoint import RunCheckpoint as RunCheckpoint
from lit_gan.callbacks.sample_grid import SampleGrid as SampleGrid
from lit_gan.callbacks.throughput import Throughput as Throughput
from lit_gan.callbacks.training_film import TrainingFilm as TrainingFilm
