"""The classifier of a data set is trained once, and kept by the fingerprint of the data."""

from pathlib import Path

import pytest
import torch
from labelled import Labelled

from lit_gan.errors import UserError
from lit_gan.evaluation.reference_classifiers import kept_in, reference_classifier


def test_it_is_trained_once_and_kept(tmp_path: Path) -> None:
    said: list[str] = []
    first = reference_classifier(Labelled(), tmp_path, say=said.append)
    kept = kept_in(Labelled(), tmp_path)
    assert kept.is_file()
    assert said == [f"lit-gan: training the reference classifier on 80 labelled images, to be kept in {kept}."]
    again = reference_classifier(Labelled(), str(tmp_path), say=said.append)
    assert len(said) == 1
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(first.logits(images), again.logits(images))


def test_other_data_another_range_and_another_seed_have_their_own(tmp_path: Path) -> None:
    files = {
        kept_in(Labelled(), tmp_path),
        kept_in(Labelled(shift=1), tmp_path),
        kept_in(Labelled(value_range=(-1.0, 1.0)), tmp_path),
        kept_in(Labelled(), tmp_path, seed=1),
    }
    assert len(files) == 4
    assert kept_in(Labelled(), tmp_path) in files


def test_a_damaged_file_is_told_by_name(tmp_path: Path) -> None:
    kept = kept_in(Labelled(), tmp_path)
    kept.parent.mkdir()
    for content in (b"PK nothing", None):
        kept.write_bytes(content) if content else torch.save({"weights": 1}, kept)
        with pytest.raises(UserError, match=rf"{kept.name}.*delete it"):
            reference_classifier(Labelled(), tmp_path)


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reference_classifier(Labelled(), None).test_accuracy == 1.0
    assert list(tmp_path.iterdir()) == []
