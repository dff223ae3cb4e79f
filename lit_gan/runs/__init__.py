"""What a run leaves on disk: its folder, its record, its metrics, its checkpoints.

Only names that cost no import of torch or Lightning stand here; the rest is imported from its own file.
"""

from lit_gan.runs.environment import describe_environment as describe_environment
from lit_gan.runs.folder import FolderInUse as FolderInUse
from lit_gan.runs.folder import RunFolder as RunFolder
from lit_gan.runs.heartbeat import Heartbeat as Heartbeat
from lit_gan.runs.record import NAN as NAN
from lit_gan.runs.record import RunRecord as RunRecord
from lit_gan.runs.resume import choose_run_folder as choose_run_folder
