"""A reader who leaves ends no command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import SHORT, the_run
from nursery import nursery

from lit_gan.cli.output import Unread


def test_what_nobody_reads_is_dropped() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", buffering=1) as pipe:
        stream = Unread(pipe)
        assert stream.write("one\n") == 4
        assert os.read(reader, 10) == b"one\n"
        os.close(reader)
        for _ in range(2):
            assert stream.write("two\n") == 4
            stream.flush()
        assert stream.fileno() == writer


@pytest.mark.slow
def test_a_training_ends_well_when_its_reader_has_left() -> None:
    command = [sys.executable, "-m", "lit_gan", "fit", "--config", "quickstart", *SHORT, "--trainer.max_epochs=1"]
    reader, writer = os.pipe()
    with nursery():
        process = subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    with process:
        os.close(writer)
        os.close(reader)
        _, told = process.communicate()
    assert (process.returncode, "Broken" in told, "Traceback" in told) == (0, False, False), told
    assert '"finished"' in Path(the_run(), "run.json").read_text()
