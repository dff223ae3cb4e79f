"""The journal stays whole: on a full disk, after a killed writer, and for several writers."""

import errno
import json
import multiprocessing
import os
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from small_disk import fill, small_disk

from lit_gan.errors import UserError
from lit_gan.tuning.journal import SweepJournal, open_journal


def test_a_full_disk_takes_the_line_back_and_the_next_one_with_space_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        study = optuna.create_study(storage=open_journal(disk / "s.journal"))
        study.set_user_attr("before", 1)
        size = (disk / "s.journal").stat().st_size
        filler = fill(disk, leave=4096)  # part of the line fits

        with pytest.raises(UserError, match=r"s\.journal: the disk is full \(No space.*No trial is lost: free some"):
            study.set_user_attr("long", "x" * 20_000)

        assert (disk / "s.journal").stat().st_size == size
        assert [path.name for path in disk.iterdir() if path.name.startswith("s.journal")] == ["s.journal"]
        filler.unlink()
        study.set_user_attr("after", 2)
        again = optuna.load_study(study_name=study.study_name, storage=open_journal(disk / "s.journal"))
        assert again.user_attrs == {"before": 1, "after": 2}


def test_optunas_own_journal_does_not_take_it_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        backend = JournalFileBackend(str(disk / "s.journal"))
        backend.append_logs([{"op_code": 0}])
        filler = fill(disk, leave=4096)
        with pytest.raises(OSError, match="No space"):
            backend.append_logs([{"x": "x" * 20_000}])
        filler.unlink()
        backend.append_logs([{"op_code": 1}])  # lost: it stands on the line that was cut short
        backend.append_logs([{"op_code": 2}])

        with pytest.raises(json.JSONDecodeError):
            list(backend.read_logs(0))


@pytest.mark.parametrize("left", [b'{"op_code":2,"us', b"\0" * 100, b"x" * 200_000], ids=["half", "zeros", "long"])
def test_what_a_killed_writer_left_is_taken_back(tmp_path: Path, left: bytes) -> None:
    file = tmp_path / "s.journal"
    study = optuna.create_study(storage=open_journal(file))
    whole = file.read_bytes()
    file.write_bytes(whole + left)

    opened = optuna.load_study(study_name=study.study_name, storage=open_journal(file))
    opened.set_user_attr("after", 1)

    assert file.read_bytes().startswith(whole + b'{"op_code":2')
    assert optuna.load_study(study_name=study.study_name, storage=open_journal(file)).user_attrs == {"after": 1}


def _append(file: str, name: str) -> None:
    journal = SweepJournal(Path(file))
    for number in range(30):
        journal.append_logs([{"from": name, "number": number}])


def test_several_processes_append_without_losing_a_line(tmp_path: Path) -> None:
    file = tmp_path / "s.journal"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(str(file), name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for name in "ab":
        assert [line["number"] for line in lines if line["from"] == name] == list(range(30))


@pytest.mark.parametrize(
    "text",
    [
        *("no journal\n\n", "step,epoch\n1,2\n", '{"a": 1}\n', "[1]\n", '{"op_code":0}\n'),
        *('{"a": 1}', "notes", "first line\nlast line"),  # as json.dump leaves it: without a last line's end
    ],
)
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "s.journal"
    file.write_text(text)

    with pytest.raises(UserError, match=r"s\.journal is no journal of Optuna's, or is damaged"):
        open_journal(file)

    assert file.read_text() == text


@pytest.mark.parametrize("left", [b"", b'{"op', b'{"op_code":0,"wor'], ids=["nothing", "less", "more"])
def test_a_journal_whose_first_line_was_cut_short_is_begun_anew(tmp_path: Path, left: bytes) -> None:
    file = tmp_path / "s.journal"
    file.write_bytes(left)

    study = optuna.create_study(storage=open_journal(file))

    assert optuna.load_study(study_name=study.study_name, storage=open_journal(file)).trials == []


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--storage .* is a folder: expected a file"):
        open_journal(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UserError, match=r"file cannot be written \("):
        open_journal(tmp_path / "file" / "s.journal")


def test_a_journal_that_is_moved_away_in_the_middle_is_missed(tmp_path: Path) -> None:
    journal = SweepJournal(tmp_path / "s.journal")
    (tmp_path / "s.journal").unlink()

    with pytest.raises(UserError, match=r"s\.journal cannot be written \(No such file"):
        journal.append_logs([{"op_code": 0}])


@pytest.mark.parametrize(
    ("code", "said"), [(None, "No such file"), (errno.ESTALE, "Stale"), (errno.EIO, "Input/output")]
)
def test_a_journal_that_cannot_be_looked_at_is_told(
    tmp_path: Path, code: int | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(storage=open_journal(tmp_path / "s.journal"))
    if code is None:
        (tmp_path / "s.journal").rename(tmp_path / "moved")
    else:
        failure = OSError(code, os.strerror(code))
        monkeypatch.setattr(JournalFileBackend, "read_logs", lambda *_: (_ for _ in [0]).throw(failure))

    with pytest.raises(UserError, match=rf"s\.journal cannot be read \({said}"):
        study.get_trials()
