"""Runs at a W&B server, and in a folder to be synced: every round once, however often a run was ended and resumed."""

from pathlib import Path

import pytest
import yaml
from command_line import resolved, the_run
from wandb_client import Client, check_whole, client_of_the_server  # noqa: F401 -- a fixture

pytestmark = pytest.mark.slow

_STOPS = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=6")
_LIGHTNINGS = (
    "--trainer.logger=WandbLogger",
    "--trainer.logger.init_args.project=mine",
    "--trainer.logger.init_args.tags=[digits]",
)


def test_an_online_run_is_at_the_server_when_it_ends(client: Client) -> None:
    ending = client.fit("--wandb=online", "--wandb_checkpoints=true")
    assert (ending.code, ending.err) == (0, "")
    folder = the_run()
    run = client.server.runs[folder.name]
    check_whole(run, folder)
    assert (run.state, run.project) == ("finished", "lit-gan")
    cli = run.settings["cli"]
    assert {name: cli[name] for name in resolved(folder)} == yaml.safe_load((folder / "config.yaml").read_text())
    _check_checkpoints(client, folder)


def test_a_run_with_few_labels_is_there_with_its_error(client: Client) -> None:
    ending = client.fit("--wandb=online", config="digits_semi_supervised")
    assert (ending.code, ending.err) == (0, "")
    folder = the_run()
    run = client.server.runs[folder.name]
    check_whole(run, folder)
    last = {name: value for row in run.history for name, value in row.items()}
    assert 0 <= last["val/error"] <= 1
    assert last["train/label_loss"] > 0


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_the_report_of_a_run_is_there_too(client: Client, mode: str) -> None:
    assert client.fit(f"--wandb={mode}", "--report=true").code == 0
    folder = the_run()
    run = client.run_of(folder) if mode == "online" else client.sync(folder)
    [shown] = [row["report"] for row in run.history if "report" in row]
    assert shown["_type"] == "html-file"
    assert run.files[shown["path"]] == (folder / "report.html").read_bytes()


def _check_checkpoints(client: Client, folder: Path) -> None:
    versions = [artifact for artifact in client.server.artifacts if artifact.name == f"model-{folder.name}"]
    assert {artifact.type for artifact in versions} == {"model"}
    assert all(artifact.committed for artifact in versions)
    by_alias = {alias: artifact.files["model.ckpt"] for artifact in versions for alias in artifact.aliases}
    [best] = (folder / "checkpoints").glob("best-*.ckpt")
    assert by_alias["best"] == best.read_bytes()
    assert by_alias["last"] == by_alias["latest"] == (folder / "checkpoints" / "last.ckpt").read_bytes()


def test_a_run_that_was_killed_goes_on_where_the_server_is_ahead_of_its_checkpoint(client: Client) -> None:
    arguments = ("--wandb=online", "--checkpoint.every_n_epochs=4")
    folder = client.kill("ahead", *arguments, epochs=12, at=19, at_server=19)  # the checkpoint is that of round 16
    client.run_of(folder).files.clear()  # rows are sent before their pictures
    assert client.fit("--run_dir=ahead", *arguments, epochs=12).code == 0
    check_whole(client.run_of(folder), folder)


def test_a_run_that_was_killed_goes_on_where_the_server_is_behind_its_checkpoint(client: Client) -> None:
    client.environ["WANDB__FILE_STREAM_TRANSMIT_INTERVAL"] = "60"
    folder = client.kill("behind", "--wandb=online", epochs=12, at=10)
    assert client.run_of(folder).history == []
    assert client.fit("--wandb=online", "--run_dir=behind", epochs=12).code == 0
    check_whole(client.run_of(folder), folder)


def test_an_offline_run_that_was_stopped_syncs_whole_and_goes_on_after_that(client: Client) -> None:
    assert client.fit("--wandb=offline", "--wandb_checkpoints=true", *_STOPS, epochs=3).code == 130
    folder = the_run()
    check_whole(client.sync(folder), folder)
    assert client.fit("--wandb=offline", "--wandb_checkpoints=true", *_STOPS, epochs=3).code == 0
    run = client.sync(folder)
    check_whole(run, folder)
    assert run.state == "finished"
    _check_checkpoints(client, folder)
    assert "No runs to sync" in client.wandb("sync", *(folder / "wandb").glob("offline-run-*"))


def test_an_offline_run_that_was_killed_and_stopped_syncs_whole_by_one_command(client: Client) -> None:
    arguments = ("--wandb=offline", *_STOPS[:-1], "--trainer.callbacks.init_args.rounds=10")
    folder = client.kill("pieces", *arguments, epochs=4, at=5)
    assert list(folder.glob("wandb/*")) == []  # it is written at the end
    for code in (130, 0):
        assert client.fit("--run_dir=pieces", *arguments, epochs=4).code == code
    check_whole(client.sync(folder), folder)


def _offline_with_own_logs(client: Client, name: str, from_epoch: int) -> Path:
    """The folder of a run in a process of its own; in a fresh one nobody else has imported W&B."""
    options = ("--trainer.callbacks+=own_modules.UsesWandb", f"--trainer.callbacks.init_args.from_epoch={from_epoch}")
    process = client.start("--wandb=offline", f"--run_dir={name}", *options, epochs=2)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return client.folder / name


def test_an_offline_run_imports_nothing_of_wandbs_before_its_end(client: Client) -> None:
    folder = _offline_with_own_logs(client, "waits", from_epoch=9)
    assert (client.folder / "imported").read_text() == "False"
    assert sorted(path.name for path in (folder / "wandb").iterdir())[0] == "id"
    run = client.sync(folder)
    check_whole(run, folder)
    assert run.state == "finished"


def test_what_a_callback_logs_to_an_offline_run_itself_is_in_it(client: Client) -> None:
    folder = _offline_with_own_logs(client, "touched", from_epoch=1)
    assert (client.folder / "imported").read_text() == "True"
    run = client.sync(folder)
    assert [row["mine"] for row in run.history if "mine" in row] == [1]
    rounds = [row["trainer/global_step"] for row in run.history if "train/loss_d" in row]
    assert rounds == list(range(8))


def test_an_offline_run_goes_on_online(client: Client) -> None:
    assert client.fit("--wandb=offline", *_STOPS, epochs=3).code == 130
    folder = the_run()
    assert client.fit("--wandb=online", *_STOPS, epochs=3).code == 0
    check_whole(client.server.runs[folder.name], folder)
    assert list((folder / "wandb").glob("offline-run-*")) == []


def test_two_folders_of_one_name_are_two_runs_of_that_name(client: Client) -> None:
    folders = [Path("expA/seed0"), Path("expB/seed0")]
    for seed, folder in enumerate(folders):
        assert client.fit("--wandb=online", f"--run_dir={folder}", f"--seed_everything={seed}", epochs=1).code == 0
    for folder in folders:
        check_whole(client.run_of(folder), folder)
    assert {client.run_of(folder).shown_as for folder in folders} == {"seed0"}
    assert len({client.run_of(folder).name for folder in folders}) == 2


def test_lightnings_own_logger_is_the_one_run_and_goes_on(client: Client) -> None:
    before = set(client.server.runs)
    for code in (130, 0):
        ending = client.fit("--wandb=online", *_LIGHTNINGS, *_STOPS, epochs=3)
        assert ending.code == code, ending.err
    folder = the_run()
    assert client.server.runs.keys() - before == {folder.name}
    run = client.server.runs[folder.name]
    check_whole(run, folder)
    assert run.project == "mine"
