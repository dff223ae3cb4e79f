"""A watch over the ranks of a job: one that dies takes the others down, with its error shown, and nobody hangs."""

import atexit
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import Event, Lock, Thread

from torch.distributed.distributed_c10d import Store

from lit_gan.errors import RunError, RunStopped
from lit_gan.strategies.peers.call_timeout import call_with_timeout
from lit_gan.strategies.peers.job_store import JobStore, StoreGone, held_by_torchrun
from lit_gan.strategies.peers.rank_loss import Place, RankLoss, may_be_a_consequence
from lit_gan.strategies.peers.ring import Ring, beat, has_left, leave, who_stays

_STORE_SECONDS = 5.0  # a call from the main thread, which has other things to do
_CALLBACK_SECONDS = 5.0
_SETTLING = 1.0  # an error that all ranks share reaches them within this of each other
_WHY = "it was killed (out of memory?), or its machine or the network is gone"


class PeerWatch:
    """Beats through the job's store, and ends this process when another rank is lost, wherever its main thread hangs.

    A collective waits for all ranks: in C++, where no exception reaches it, and with NCCL for half an hour. So each
    rank runs a thread that beats ``every`` so many seconds, listens to the next rank in the ring, which is lost after
    ``silence`` seconds without a beat, and looks for one key, under which the first loss is told to all: the error of a
    rank that failed, or the name of one that is not heard of any more. Then the thread prints that one line, gives the
    main thread the seconds of ``grace`` to come out of what blocks it (of ``farewell``, once it is at its own end:
    teardown, loggers, uploads), and leaves with exit code 1. A beat costs four short calls, however many ranks there
    are. ``on_loss`` is called once with the line, ``before_exit`` right before the watch ends the process; both are
    given up after five seconds.

    What it cannot tell: a rank whose main thread holds the GIL for longer than ``silence`` (C code that never releases
    it; torch does, also while it waits in a collective, compiles or copies) from one that is dead; a rank that hangs
    but lets its threads run from one that works; a dead machine from a dead network. Time for which this process was
    itself stopped counts as nobody's silence. A rank that dies outside ``start`` and ``stop`` is its launcher's matter.

    Example:
        >>> watch = PeerWatch(rank=0, world_size=1)
        >>> watch.start(), watch.stop(), watch.loss
        (None, None, None)
    """

    def __init__(
        self,
        rank: int,
        world_size: int,
        *,
        on_loss: Callable[[str], None] | None = None,
        before_exit: Callable[[], None] | None = None,
        every: float = 2.0,
        silence: float = 30.0,
        grace: float = 5.0,
        farewell: float = 20.0,
    ) -> None:
        self._here, self._world = Place.here(rank), world_size
        self._on_loss, self._before_exit = on_loss, before_exit
        self._every, self._silence, self._grace, self._farewell = every, silence, grace, farewell
        self._ring = Ring(rank, world_size, every, silence)
        self._store: JobStore | None = None
        self._thread = Thread(target=self._watch, name="lit-gan peers", daemon=True)
        self._lock = Lock()  # of the decision whether this watch ends well or with a loss
        self._loss: RankLoss | None = None
        # No watch any more; all is told that there will be to tell; the main thread is at its end.
        self._over, self._settled, self._leaving = Event(), Event(), Event()
        self._first: Place | None = None  # rank 0, to be named after its store has gone with it

    @property
    def loss(self) -> str | None:
        """The message that has been printed, if a rank other than this one was lost."""
        return None if self._loss is None else self._loss.message

    def start(self) -> None:
        """Begins to beat and to watch; all ranks of the default process group do, in any order."""
        if self._world == 1:
            return
        # An agent of torchrun may keep its store when it starts the ranks anew.
        self._store = JobStore(f"lit-gan/peers/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}")
        try:  # a watch may be this process's second on this store: fit, then test
            starts = self._store.ask(lambda store: store.add(f"starts/{self._here.rank}", 1), self._silence)
            self._store.enter(str(starts))
            self._store.ask(self._here.write, self._silence)
            self._store.ask(partial(beat, rank=self._here.rank), self._silence)
        except StoreGone as gone:
            raise RunError(self._loss_of_the_store(gone).message) from gone
        atexit.register(self._over.set)  # no thread that talks while the interpreter is taken down
        self._thread.start()

    def stop(self) -> None:
        """Leaves in good order: nobody will miss this rank. Only the store's host waits, seconds, for its last readers.

        After a loss it leaves the watch on: it ends the process if the main thread does not.
        """
        if self._store is None:
            return
        with self._lock:
            if self._loss is not None:
                self._leaving.set()
                return
            done = self._over.is_set()  # by an error of its own, or since rank 0 has left
            self._over.set()
        self._thread.join(_STORE_SECONDS)
        if not done:
            self._leave(self._store)
        atexit.unregister(self._over.set)
        self._store = None

    def report(self, error: BaseException) -> str | None:
        """Tells the others that this rank ends by an exception, or is told why: call it where the exception passes.

        An error that only says that a connection has broken waits for a few beats for the news of who broke it. The
        message of a loss is returned, and added to the error as a note, which stands below its traceback. A
        ``RunStopped`` is no failure: the rank leaves in good order.
        """
        if isinstance(error, RunStopped):
            self.stop()
        elif self._store is not None:
            self._leaving.set()
            if may_be_a_consequence(error) and not self._over.is_set():
                self._ring.suspicious = True
                self._settled.wait(self._ring.seconds_to_find_out + 2 * _SETTLING)
            if self._loss is None and not self._over.is_set():
                self._publish(self._store, RankLoss.of(error, self._here), hurry=isinstance(error, KeyboardInterrupt))
            if self._loss is not None:
                self._settled.wait(3 * _CALLBACK_SECONDS)  # what is being told comes before this error's own traceback
                error.add_note(f"lit-gan: failed: {self._loss.message}")
                if self._here.rank == 0:
                    self._let_all_hear()
        return self.loss

    def lose(self, rank: int, how: str) -> None:
        """Tells all ranks of one that has ended, as seen from outside by the process that launched it.

        ``how`` follows its name: "was killed by SIGKILL". If it had left in good order, or failed by an error that is
        told, this adds nothing.
        """

        def tell(store: Store) -> None:
            if not has_left(store, rank):
                RankLoss(rank, self._here.rank, f"{_name_of(store, rank)} {how}").write(store)

        if self._store is not None and not self._over.is_set():
            try:
                self._store.ask(tell, _STORE_SECONDS)
            except StoreGone as gone:
                self._lose(self._loss_of_the_store(gone))

    # -- The thread -------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            loss = self._look()
            if loss is None:
                continue
            # An error that this rank is about to meet as well is its own: `report` will then end the watch.
            if loss.error and self._over.wait(_SETTLING):
                return
            self._lose(loss)
            if self._loss is not None:
                self._see_out()

    def _look(self) -> RankLoss | None:
        """One turn. Everything that could block stands behind a time limit."""
        if self._store is None:
            return None
        try:
            return self._store.ask(self._turn, self._silence)
        except StoreGone as gone:
            return self._loss_of_the_store(gone)

    def _turn(self, store: Store) -> RankLoss | None:
        beat(store, self._here.rank)
        loss = RankLoss.find(store)
        if loss is not None:
            return None if loss.rank == loss.by == self._here.rank else loss
        if self._first is None:
            self._first = Place.find(store, 0)  # it cannot be asked after the store has gone with it
        if has_left(store, 0):
            self._end_with_the_first(store)
            return None
        silent = self._ring.silent_peer(store)
        if silent is None:
            return None
        message = f"{_name_of(store, silent)} has not been heard of for {self._ring.longest_silence:g} s: {_WHY}"
        return RankLoss(silent, self._here.rank, message).write(store)

    def _end_with_the_first(self, store: Store) -> None:
        """Rank 0 has left: no collective is to come, and its store may go at any moment. So nobody asks it any more."""
        with self._lock:
            if self._loss is None:
                self._over.set()
                self._settled.set()
                leave(store, self._here.rank)

    def _loss_of_the_store(self, gone: StoreGone) -> RankLoss:
        holder = "an agent of torchrun" if held_by_torchrun() else str(self._first or "rank 0")
        return RankLoss(0, self._here.rank, f"{holder}, which holds the job's store, {gone}: {_WHY}")

    # -- The end ----------------------------------------------------------------------------------------------------

    def _lose(self, loss: RankLoss) -> None:
        """Tells of a loss, once, unless this rank has ended in the meantime."""
        with self._lock:
            if self._over.is_set() or self._loss is not None:
                return
            self._loss = loss
        _guarded("the loss could not be told", lambda: sys.stderr.write(f"lit-gan: failed: {loss.message}\n"))
        if self._on_loss is not None:
            _guarded("the loss could not be noted down", partial(self._on_loss, loss.message))
        self._settled.set()  # last: the main thread may end the process from here on

    def _see_out(self) -> None:
        """Ends the process, unless the main thread does."""
        if self._leaving.wait(self._grace):
            time.sleep(self._farewell)
        if self._before_exit is not None:
            _guarded("what should come before the exit did not", self._before_exit)
        _guarded("the output could not be flushed", sys.stdout.flush)
        os._exit(1)

    # -- Talking to the others, from the main thread ----------------------------------------------------------------

    def _leave(self, job: JobStore) -> None:
        """The store's host waits until nobody reads: a call that is under way when it goes prints errors."""
        readers = set(range(self._world)) if self._here.rank == 0 and not held_by_torchrun() else set()
        end = time.monotonic() + 2 * self._every + 1
        try:
            job.ask(partial(leave, rank=self._here.rank), _STORE_SECONDS)
            while readers and time.monotonic() < end:
                readers = job.ask(partial(who_stays, ranks=readers), _STORE_SECONDS)
                time.sleep(0.05 if readers else 0)
        except StoreGone:
            return  # this rank's work is done: what ended the store is not its business

    def _publish(self, job: JobStore, own: RankLoss, *, hurry: bool) -> None:
        """Makes an error of this rank the job's loss, unless there is one already."""
        try:
            first = job.ask(own.write, _STORE_SECONDS)
        except StoreGone as gone:
            first = self._loss_of_the_store(gone)
        if first.error != own.error:
            self._lose(first)
            return
        with self._lock:
            if self._loss is None:
                self._over.set()
        if first.by == self._here.rank and not hurry:
            self._let_all_hear()

    def _let_all_hear(self) -> None:
        """This process takes its store and its connections along: the others hear before, in their next turn."""
        time.sleep(2 * self._every + _SETTLING)


def _guarded(complaint: str, call: Callable[[], object]) -> None:
    """Calls within the limit; whatever comes of it, the end goes on."""
    try:
        call_with_timeout(_CALLBACK_SECONDS, call)
    except Exception as error:
        sys.stderr.write(f"lit-gan: {complaint}: {type(error).__name__}: {error}\n")


def _name_of(store: Store, rank: int) -> str:
    return str(Place.find(store, rank) or f"rank {rank}")
