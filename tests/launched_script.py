"""A training on two processes that the launcher starts, wired with the watch as a strategy wires them."""

import os
import sys
import time

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy

from lit_gan.errors import RunStopped
from lit_gan.strategies.launcher import WatchedLauncher
from lit_gan.strategies.peers.watch import PeerWatch


class WatchedDDP(DDPStrategy):
    watch: PeerWatch | None = None

    def _configure_launcher(self) -> None:
        nodes, processes = self.num_nodes, self.num_processes
        self._launcher = WatchedLauncher(self.cluster_environment, processes, nodes, on_death=self._child_died)

    def _child_died(self, rank: int, how: str) -> bool:
        if self.watch is not None:
            self.watch.lose(rank, how)
        return self.watch is not None

    def setup_environment(self) -> None:
        super().setup_environment()
        self.watch = PeerWatch(
            self.global_rank, self.world_size, before_exit=lambda: self._launcher.end_children(3), every=0.5, grace=2
        )
        self.watch.start()

    def on_exception(self, exception: BaseException) -> None:
        super().on_exception(exception)
        if self.watch is not None:
            self.watch.report(exception)

    def teardown(self) -> None:
        if self.watch is not None:
            self.watch.stop()
        super().teardown()


class Model(LightningModule):
    def __init__(self, case: str) -> None:
        super().__init__()
        self.case = case
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        if self.global_step == 2 and self.case == "preempted":
            time.sleep(3 * (1 - self.global_rank))
            raise RunStopped("preempted")
        if self.global_step == 2 and self.global_rank == 1:
            raise ZeroDivisionError("division by zero")
        return self.layer(batch).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def main() -> None:
    trainer = Trainer(
        accelerator="cpu",
        devices=2,
        strategy=WatchedDDP(),
        max_steps=4,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Model(sys.argv[1]), torch.utils.data.DataLoader(torch.ones(20, 2)))


if __name__ == "__main__":
    try:
        main()
    except RunStopped as stop:
        sys.stdout.write(f"rank {os.environ['LOCAL_RANK']} left\n")
        sys.exit(stop.exit_code)
