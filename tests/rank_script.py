"""What each rank of the tests of `lit_gan.strategies` does."""

import json
import os
import signal
import sys
import time

import torch
import torch.distributed as dist

from lit_gan.errors import RunStopped
from lit_gan.strategies.peers.watch import PeerWatch

# Patient where nothing is to be silent: on a busy machine a rank may stand still for seconds.
SPEED = {"every": 0.3, "silence": 60.0, "grace": 1.5, "farewell": 3.0}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def wait_where_no_error_comes() -> None:
    """As NCCL does: in C++, whatever happens to the others."""
    dist.HashStore().get("never")


def note_down(message: str, options: dict) -> None:
    say(f"on_loss: {message}")
    if options.get("hanging_on_loss"):
        time.sleep(1000)
    if options.get("failing_on_loss"):
        raise OSError("disk full")


def end(case: str) -> None:
    time.sleep(1)  # three turns of the others' watches, on a busy machine: they know by then who this is
    if case == "error":
        raise ZeroDivisionError("division by zero")
    os.kill(os.getpid(), signal.Signals[case])
    time.sleep(1000)


def act(case: str, rank: int, watch: PeerWatch, options: dict) -> None:
    if case == "left":
        time.sleep(options["after"][rank])
    elif case == "seen from outside":
        if rank == 0:
            time.sleep(options["after"])
            watch.lose(1, "was killed by SIGKILL")
        if rank == 0 or not options["leaves"]:
            time.sleep(options["rest"])
    elif case == "stopped":
        raise RunStopped("preempted")
    elif case == "all fail":
        time.sleep(0.1 * rank)
        raise RuntimeError("the loss is not finite")
    elif rank == options.get("victim", 1):
        end(case)
    elif options.get("deaf"):
        wait_where_no_error_comes()
    else:
        dist.all_reduce(torch.ones(1))


def run(case: str, options: dict) -> None:
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", init_method=options.get("init_method"), rank=rank, world_size=world)
    speed = SPEED | options.get("speed", {})
    dist.barrier()  # gloo connects when it is first used
    for _ in range(options.get("times", 1)):
        watch = PeerWatch(rank, world, on_loss=lambda message: note_down(message, options), **speed)
        watch.start()
        try:
            dist.barrier()  # a training has collectives: nobody is at its end before all have begun
            act(case, rank, watch, options)
        except BaseException as error:
            watch.report(error)
            watch.stop()
            raise
        watch.stop()
    say("done")


if __name__ == "__main__":
    try:
        run(sys.argv[1], json.loads(sys.argv[2]))
    except RunStopped as stop:
        sys.exit(stop.exit_code)
