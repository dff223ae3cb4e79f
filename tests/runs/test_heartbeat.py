import errno
import os
import threading
import time

import pytest
from waiting import wait_until

from lit_gan.runs.folder import RunFolder
from lit_gan.runs.heartbeat import Heartbeat


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder.create(tmp_path, "mnist", {}, environ={})
    yield folder
    folder.release()


def test_the_heart_beats_while_it_is_asked_to_and_no_longer(folder):
    before = folder.read_record().heartbeat
    with Heartbeat(folder, every=0.01):
        at_start = folder.read_record().heartbeat
        assert at_start > before
        wait_until(lambda: folder.read_record().heartbeat > at_start, "the heart has beaten", 10)
    after = folder.read_record().heartbeat
    time.sleep(0.05)
    assert folder.read_record().heartbeat == after
    assert not [thread for thread in threading.enumerate() if thread.name == "lit-gan heartbeat"]


def test_a_beat_never_takes_back_what_has_been_marked(folder):
    with Heartbeat(folder, every=0.001):
        folder.mark("failed", "No space left on device")
        marked = folder.read_record().heartbeat
        wait_until(lambda: folder.read_record().heartbeat > marked, "the heart has beaten", 10)
    record = folder.read_record()
    assert (record.status, record.reason) == ("failed", "No space left on device")


def test_a_heartbeat_that_cannot_be_written_warns_once_and_goes_on(folder, monkeypatch):
    beats = []

    def full():
        beats.append(1)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.status))

    def fill_the_disk():
        monkeypatch.setattr(folder, "beat", full)
        wait_until(lambda: len(beats) > 3, "it beats on", 10)
        heart.stop()

    heart = Heartbeat(folder, every=0.001)
    heart.start()
    with pytest.warns(UserWarning, match=r"cannot be written: .*No space left.*run\.json") as caught:
        fill_the_disk()
    assert len(caught) == 1


def test_the_first_beat_is_not_lost_in_the_thread(tmp_path):
    with pytest.raises(RuntimeError, match="not the writer"):
        Heartbeat(RunFolder(tmp_path)).start()


def test_stopping_twice_does_nothing(folder):
    heart = Heartbeat(folder)
    heart.start()
    heart.stop()
    heart.stop()
