"""What a run leaves on disk: its folder, its record, its metrics, its checkpoints.

Only names that cost no import of torch or Lightning stand here; the rest is imported from its own file.
"""

from lit_gan.tracking.environment import describe_environment as describe_environment
from lit_gan.tracking.heartbeat import Heartbeat as Heartbeat
from lit_gan.tracking.resume import choose_run_folder as choose_run_folder
from lit_gan.tracking.run_folder import FolderInUse as FolderInUse
from lit_gan.tracking.run_folder import RunFolder as RunFolder
from lit_gan.tracking.run_record import NAN as NAN
from lit_gan.tracking.run_record import RunRecord as RunRecord
