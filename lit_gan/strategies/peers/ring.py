"""Who is heard of: the ranks' beats in the job's store, and what the rank before each in the ring makes of them."""

from collections.abc import Iterable, Iterator

from torch.distributed.distributed_c10d import Store

_GONE_WELL = 1 << 40  # added to a rank's count of beats when it leaves in good order: more than it will ever beat
_MISSED_BEATS = 3  # enough to name the lost rank, where a broken connection says that there is one


def beat(store: Store, rank: int) -> None:
    """A rank shows that it is there."""
    store.add(f"beats/{rank}", 1)


def leave(store: Store, rank: int) -> None:
    """A rank shows that it will not be heard of any more, and that this is well."""
    store.add(f"beats/{rank}", _GONE_WELL)


def has_left(store: Store, rank: int) -> bool:
    """Whether a rank has left in good order."""
    return _beats(store, rank) >= _GONE_WELL


def who_stays(store: Store, ranks: Iterable[int]) -> set[int]:
    """Those of the ranks that have not left."""
    return {rank for rank in ranks if not has_left(store, rank)}


def _beats(store: Store, rank: int) -> int:
    return int(store.add(f"beats/{rank}", 0))


class Ring:
    """Listens to the next rank in the ring: whoever dies, the rank before it is alive, or dead and heard.

    ``every`` are the seconds between two turns, ``silence`` those without a beat after which a rank is lost.
    """

    def __init__(self, rank: int, world_size: int, every: float, silence: float) -> None:
        self._rank, self._world = rank, world_size
        self._every, self._silence = every, silence
        self.suspicious = False  # whether something has told that a rank is lost
        self._unheard: dict[int, tuple[int, int]] = {}  # rank -> its last beat, and for how many turns it is the last
        self._left: set[int] = set()

    @property
    def longest_silence(self) -> float:
        """Seconds; few in suspicion."""
        return min(self._silence, _MISSED_BEATS * self._every) if self.suspicious else self._silence

    @property
    def seconds_to_find_out(self) -> float:
        """How long it takes, in suspicion, until a dead rank is known to be lost."""
        return (2 + _MISSED_BEATS) * self._every

    def silent_peer(self, store: Store) -> int | None:
        """One turn: the next rank, if it is silent; in suspicion any, for who finds a broken connection to find out."""
        for peer in self._peers():
            beats = _beats(store, peer)
            if beats >= _GONE_WELL:
                self._left.add(peer)
                continue
            last, turns = self._unheard.get(peer, (beats, -1))
            self._unheard[peer] = (beats, turns + 1 if beats == last else 0)
            # One that has not begun is no loss: between two runs in one process ranks may be minutes apart.
            if beats and self._unheard[peer][1] * self._every >= self.longest_silence:
                return peer
            if not self.suspicious:
                break
        return None

    def _peers(self) -> Iterator[int]:
        ranks = ((self._rank + step) % self._world for step in range(1, self._world))
        return (rank for rank in ranks if rank not in self._left)
