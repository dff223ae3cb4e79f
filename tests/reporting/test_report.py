"""All of one run, or of several, on one page."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mutations import check_told, mutations
from run_folders import SCORES, make_run, picture

from lit_gan.errors import UserError
from lit_gan.reporting.report import write_report
from lit_gan.reporting.run_data import RunData
from lit_gan.reporting.tables import PUBLISHED, score_tables, signs


def _none(name: str) -> None:
    return None


def _page(*folders: Path, kind: str = "html") -> str:
    return write_report(folders, kind, _none)


def _text(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _tags(page: str, tag: str) -> list[dict[str, str | None]]:
    parser = _Tags()
    parser.feed(page)
    return [attributes for name, attributes in parser.found if name == tag]


# -- What it says ----------------------------------------------------------------------------------------------------


def test_the_score_stands_beside_that_of_real_images(tmp_path: Path) -> None:
    text = _text(_page(make_run(tmp_path / "quickstart" / "one")))
    assert "training images 29.3 ± 1.3 1,200 val -7.8 ± 0.6" in text
    assert "this run 21.5 ± 0.8 10,000 val" in text
    assert text.index("training images 29.3") < text.index("this run 21.5")
    assert "near-duplicates 0.0% 0.0%" in text
    assert "Not measured: precision, coverage, memorisation, confident." in text


def test_on_mnist_it_stands_in_table_1(tmp_path: Path) -> None:
    config = {"data": {"class_path": "lit_gan.data.MNISTDataModule"}}
    run = make_run(tmp_path / "mnist" / "one", config=config, scores={"test": SCORES["val"]})
    (table,) = score_tables([RunData.read(run)]).values()
    published = {row.name: (row.nats, row.error) for row in table if row.kind == "paper"}
    assert published == PUBLISHED["MNIST"]
    assert next(row.name for row in table) == "Adversarial nets"
    assert "Table 1 of the paper, MNIST" in _page(run)


def test_the_numbers_of_table_1_are_those_of_the_paper() -> None:
    assert PUBLISHED["MNIST"]["Adversarial nets"] == (225.0, 2.0)
    assert PUBLISHED["TFD"]["Stacked CAE"] == (2110.0, 50.0)
    assert {name: len(rows) for name, rows in PUBLISHED.items()} == {"MNIST": 4, "TFD": 4}


def test_a_run_of_before_has_the_score_of_its_metrics(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one", scores=None)
    (row,) = score_tables([RunData.read(run)])["a"]
    assert (row.nats, row.error, row.split, row.centres) == (19.0, 0.5, "val", None)
    told = "scores.json: there is none; the score stands alone until `lit-gan test` has compared it with real images"
    assert told in _text(_page(run))


def test_a_test_counts_more_than_a_validation(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one")
    lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text(
        "\n".join([f"{lines[0]},test/precision,val/precision", *(f"{line},0.75,0.5" for line in lines[1:])])
    )
    assert RunData.read(run).last("precision") == (0.75, "test")
    assert "precision 75.0%" in _text(_page(run))


_REAL = {"value": 0.95, "images": 898, "beside": 898, "samples": 1200, "reference": 1200}


def _with_numbers(run: Path, real: Any, **numbers: float) -> Path:
    """A run that has logged these numbers, with what is known of real images."""
    names = ",".join(f"val/{name}" for name in numbers)
    values = ",".join(map(str, numbers.values()))
    header, *rows = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text("\n".join([f"{header},{names}", *(f"{row},{values}" for row in rows)]) + "\n")
    (run / "scores.json").write_text(json.dumps({"val": {**SCORES["val"], "real_images": real}}))
    return run


def test_numbers_stand_beside_those_of_real_images_with_how_many_they_are_of(tmp_path: Path) -> None:
    alone = {**_REAL, "value": 0.97, "images": 597, "beside": 0, "reference": 0}
    held_out = {**_REAL, "value": 0.45, "images": 597, "beside": 1200}
    real = {
        "precision": _REAL, "density": {**_REAL, "value": 1.02}, "frechet_distance": {**_REAL, "value": 1.8},
        "confident_share": alone, "class_kl": {**alone, "value": 0.0126}, "memorization": held_out, "my_fid": _REAL,
        "frechet_num_real": _REAL, "class_accuracy_3": alone,
    }  # fmt: skip
    numbers = dict.fromkeys(real, 0.5) | {"memorization_real": 0.4}
    run = _with_numbers(make_run(tmp_path / "a" / "one"), real, **numbers)
    text = _text(_page(run))
    for row in (
        "precision 50.0% (1,200 : 1,200) 95.0% (898 : 898)",
        "density 0.5 (1,200 : 1,200) 1.02 (898 : 898)",
        "Fréchet distance 0.5 (1,200 : 1,200) 1.8 (898 : 898)",
        "confident 50.0% (1,200) 97.0% (597)",
        "class imbalance 0.5 (1,200) 0.0126 (597)",
        "memorisation 50.0% (1,200 : 1,200) 45.0% (597 : 1,200)",
        "my_fid 0.5 (1,200 : 1,200) 0.95 (898 : 898)",
    ):
        assert row in text
    assert "class_accuracy_3 0.5" not in text
    assert "| precision | 50.0% (1,200 : 1,200) | 95.0% (898 : 898) |" in _page(run, kind="md")
    assert json.loads(_page(run, kind="json"))["runs"][0]["scores"]["val"]["real_images"]["precision"] == _REAL


def test_real_images_of_other_data_stand_beside_each_other(tmp_path: Path) -> None:
    one = _with_numbers(make_run(tmp_path / "a" / "one"), {"precision": _REAL}, precision=0.5)
    two = _with_numbers(make_run(tmp_path / "b" / "one"), {"precision": {**_REAL, "value": 0.9}}, precision=0.6)
    three = _with_numbers(make_run(tmp_path / "b" / "two"), {"precision": _REAL}, precision=0.7)
    assert "| 95.0% (898 : 898); 90.0% (898 : 898) |" in _page(one, two, three, kind="md")


@pytest.mark.parametrize("real", [[1], {"precision": 3}, {"precision": {"value": "x"}}])
def test_damaged_numbers_of_real_images_cost_only_themselves(tmp_path: Path, real: Any) -> None:
    text = _text(_page(_with_numbers(make_run(tmp_path / "a" / "one"), real, precision=0.5)))
    assert "precision 50.0%" in text
    assert ("what it says of 'val' cannot be read" in text) == isinstance(real, list)


def test_curves_mark_what_means_something(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path / "a" / "one"))
    assert set(re.findall(r'class="marked"[^>]*>([^<]+)<', page)) >= {"-log 4", "log 2", "1/2", "0"}
    titles = re.findall(r"<h3>([^<]+)</h3>", page)
    assert titles[:4] == ["Parzen score", "Losses", "V(D, G)", "Bound of the Jensen-Shannon divergence"]
    assert "Gradient norms" in titles
    assert 'class="band' in page


def test_a_quantity_of_ones_own_has_a_curve(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one")
    lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text("\n".join([f"{lines[0]},val/my_fid", *(f"{line},7" for line in lines[1:])]) + "\n")
    assert "<h3>my_fid</h3>" in _page(run)
    (run / "metrics.csv").write_text("\n".join([f"{lines[0]},val/my_fid", *(f"{line}," for line in lines[1:])]) + "\n")
    assert "<h3>my_fid</h3>" not in _page(run)


@pytest.mark.parametrize(
    ("column", "value", "sign"),
    [
        ("val/d_lead", "0.95", "D's lead (val/d_lead)"),
        ("val/near_duplicates", "0.9", "near-duplicates (val/near_duplicates)"),
        ("train/grad_norm_g", "0.0001", "gradient of G (train/grad_norm_g)"),
    ],
)
def test_what_is_not_normal_is_told_with_what_to_do(tmp_path: Path, column: str, value: str, sign: str) -> None:
    run = make_run(tmp_path / "a" / "one")
    assert all(each.sound for each in signs(RunData.read(run)))
    header, *rows = (line.split(",") for line in (run / "metrics.csv").read_text().splitlines())
    for row in rows[-3:]:
        row[header.index(column)] = value
    (run / "metrics.csv").write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    ill = [each for each in signs(RunData.read(run)) if not each.sound]
    assert [each.title for each in ill] == [sign]
    assert ill[0].advice in _text(_page(run))


def test_what_was_diagnosed_is_on_top(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one")
    finding = {"disease": "collapse", "round": 900, "evidence": "all alike", "remedy": "--k 2"}
    (run / "diagnosis.json").write_text(json.dumps([finding]))
    assert "collapse after round 900: all alike. Try --k 2." in _text(_page(run)).partition("How good")[0]


def test_the_configuration_is_told_as_a_difference_from_the_shipped_one(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped.yaml"
    shipped.write_text(
        "trainer: {max_epochs: 500, callbacks: [{class_path: GeneratorEMA}]}\ndata: {root: x}\nlr: ${seed}\nsame: 1\n"
    )
    callbacks = [{"class_path": "lit_gan.callbacks.GeneratorEMA", "init_args": {"decay": 0.9}}]
    config = {"trainer": {"max_epochs": 20, "callbacks": callbacks}, "data": {"root": "y"}, "same": 1, "lr": 2}
    run = RunData.read(make_run(tmp_path / "quickstart" / "one", config=config))
    assert run.changes(lambda name: shipped if name == "quickstart" else None) == (
        "quickstart",
        {"trainer.max_epochs": (500, 20), "data.root": ("x", "y")},
    )
    assert run.changes(_none) is None


def test_environment_and_command_are_told(tmp_path: Path) -> None:
    text = _text(_page(make_run(tmp_path / "quickstart" / "one")))
    assert "lit-gan fit --config quickstart" in text
    assert "throughput 5,000 images/s (median)" in text
    assert "cpus 2" in text


# -- Several runs ----------------------------------------------------------------------------------------------------


def test_several_runs_are_overlaid_and_compared(tmp_path: Path) -> None:
    one = make_run(tmp_path / "a" / "one", config={"lr": 0.1, "same": 1})
    two = make_run(tmp_path / "a" / "two", config={"lr": 0.2, "same": 1})
    page = _page(one, two)
    assert 'class="line run-0 kind-0"' in page
    assert 'class="line run-1 kind-0"' in page
    assert "What sets the runs apart. Setting one two lr 0.1 0.2" in _text(page)
    assert len(_tags(page, "input")) == 4  # two boxes, two sliders


def test_runs_of_several_configurations_have_them_in_their_names(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path / "a" / "one"), make_run(tmp_path / "b" / "one"))
    assert "a/one 21.5 ± 0.8" in _text(page)
    assert "b/one 21.5 ± 0.8" in _text(page)


def test_more_than_six_cannot_be_told_apart(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / "a" / str(number), rows=1, pictures=0) for number in range(7)]
    with pytest.raises(UserError, match="7 runs: expected 1 to 6, whose lines can be told apart"):
        _page(*folders)


# -- What is not there -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["running", "stopped", "failed"])
def test_a_run_that_has_not_ended_well_has_a_page(tmp_path: Path, status: str) -> None:
    run = make_run(tmp_path / "a" / "one", status, "out of luck")
    shown = "killed" if status == "running" else status
    assert f"{shown} (out of luck) after 1,000 rounds" in _text(_page(run))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one", pictures=0)
    for name in ("metrics.csv", "environment.json"):
        (run / name).unlink()
    missing = _text(_page(run)).partition("What is missing")[2].partition("How good")[0]
    assert "metrics.csv: there is none" in missing
    assert "environment.json: there is none; versions and hardware are not known" in missing
    assert "samples/: no picture of samples yet" in missing
    assert "No round has been logged yet." in _text(_page(run))


def test_a_broken_line_of_the_metrics_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one")
    lines = (run / "metrics.csv").read_text().splitlines()
    lines[4] = "broken"
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")
    assert "metrics.csv, line 5: expected 15 fields that begin with a step, got 1, and is left out" in _text(_page(run))


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("scores.json", "{", "scores.json: it cannot be read (Expecting property name"),
        ("scores.json", "[]", "scores.json: expected a JSON object"),
        ("scores.json", '{"val": {"rows": {"x": {}}}}', "scores.json: what it says of 'val' cannot be read"),
        ("diagnosis.json", "{}", "diagnosis.json: expected a JSON list"),
        ("environment.json", "\x00", "environment.json: it cannot be read"),
    ],
)
def test_a_damaged_file_costs_only_itself(tmp_path: Path, file: str, content: str, told: str) -> None:
    run = make_run(tmp_path / "a" / "one")
    (run / file).write_text(content)
    assert told in _text(_page(run))


@pytest.mark.parametrize(
    "environment",
    [{"hardware": 3, "versions": []}, {"argv": [1, None]}, {"seed": {"a": [1]}}],
)
def test_an_odd_environment_is_shown_as_it_is(tmp_path: Path, environment: Any) -> None:
    run = make_run(tmp_path / "a" / "one")
    (run / "environment.json").write_text(json.dumps(environment))
    for kind in ("html", "md", "json"):
        assert _page(run, kind=kind)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        _page(tmp_path)


# -- Safety and size -------------------------------------------------------------------------------------------------


def test_names_from_the_folder_are_shown_and_not_run(tmp_path: Path) -> None:
    evil = "<script>alert(1)<|script>"
    run = make_run(tmp_path / "a" / evil, config={"key": "</pre><script>alert(2)</script>"})
    lines = (run / "metrics.csv").read_text().splitlines()
    name = "val/</script><script>alert(3)</script>"
    (run / "metrics.csv").write_text("\n".join([f"{lines[0]},{name}", *(f"{line},7" for line in lines[1:])]) + "\n")
    (run / "figures").mkdir()
    (run / "figures" / '"><img src=x onerror=alert(4)>.png').write_bytes(picture(1))
    page = _page(run)
    assert len(_tags(page, "script")) == 2  # the points and ours
    assert all("onerror" not in attributes for attributes in _tags(page, "img"))
    text = _text(page)
    assert evil in text
    assert "</script><script>alert(3)</script>" in text
    points = re.search(r'id="points">(.*?)</script>', page, re.DOTALL)
    assert points is not None
    assert json.loads(points[1])


def test_nothing_is_loaded_from_outside(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path / "a" / "one"))
    addresses = [
        each.get(name) for tag in ("img", "link", "script") for each in _tags(page, tag) for name in ("src", "href")
    ]
    assert all(address is None or address.startswith("data:") for address in addresses)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_every_picture_has_a_name(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path / "a" / "one"))
    assert all(each.get("alt") for each in _tags(page, "img"))
    assert all(each.get("aria-label") and each.get("role") == "img" for each in _tags(page, "svg"))


def test_a_long_run_is_still_a_small_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one", rows=5000, pictures=0)
    noise = tmp_path / "noise.png"
    from PIL import Image  # noqa: PLC0415

    Image.effect_noise((900, 900), 90).save(noise)
    for number in range(60):
        (run / "samples" / f"round-{number:06d}.png").hardlink_to(noise)
    page = _page(run)
    assert len(page) < 5_000_000
    frames = [each for each in _tags(page, "img") if each.get("data-round")]
    assert len(frames) > 3
    assert (frames[0]["data-round"], frames[-1]["data-round"]) == ("0", "59")
    assert [each for each in frames if "hidden" not in each] == [frames[-1]]


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a" / "one")
    (run / "samples" / "round-000200.png").write_bytes(b"cut short" * 20_000)  # large: it is to be made smaller
    frames = [each["data-round"] for each in _tags(_page(run), "img") if each.get("data-round")]
    assert frames == ["100", "300"]


# -- Other formats ---------------------------------------------------------------------------------------------------


def test_markdown_has_the_tables(tmp_path: Path) -> None:
    page = _page(make_run(tmp_path / "a" / "one|two"), kind="md")
    assert "| training images | 29.3 ± 1.3 | 1,200 | val | -7.8 ± 0.6 |" in page
    assert "| D's lead (val/d_lead) | 0.2 | below 0.8 | normal |" in page
    assert "one\\|two" in page


def test_json_has_the_numbers(tmp_path: Path) -> None:
    found = json.loads(
        _page(make_run(tmp_path / "a" / "one"), make_run(tmp_path / "a" / "two", scores=None), kind="json")
    )
    one, two = found["runs"]
    assert one["scores"] == SCORES
    assert one["last"]["val/parzen_nll"] == -19.0
    assert one["measures"]["near_duplicates"] == [0.0, "val"]
    assert two["missing"][0].startswith("scores.json: there is none")
    assert [row["name"] for row in found["scores"]["a"]] == ["training images (of a/one)", "a/one", "a/two"]


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "scores.json", "environment.json", "diagnosis.json"])
def test_any_damage_to_a_file_of_a_run_is_a_line_of_its_report(tmp_path: Path, name: str) -> None:
    config = {"seed_everything": 0, "checkpoint": {"monitor": "val/parzen_nll"}, "data": {"class_path": "x.Y"}}
    run = make_run(tmp_path / "runs" / "mnist" / "x", config=config, rows=4)
    (run / "diagnosis.json").write_text(json.dumps([{"disease": "collapse", "round": 50, "evidence": "x"}]))
    scores = json.loads((run / "scores.json").read_text())
    numbers = {"value": 0.9, "images": 10, "beside": 10, "samples": 10, "reference": 10}
    scores["val"]["real_images"] = {"precision": numbers}
    (run / "scores.json").write_text(json.dumps(scores, indent=2))
    refused = 0
    for content in mutations((run / name).read_bytes(), 25):
        (run / name).write_bytes(content)
        try:
            page = _page(run, kind="md")
        except UserError as error:
            check_told(error)
            refused += 1
            continue
        assert page.encode()
        json.loads(_page(run, kind="json"), parse_constant=pytest.fail)
    assert (refused > 0) == (name == "run.json")


def test_numbers_that_are_none_are_told_in_place_of_a_score(tmp_path: Path) -> None:
    for place, value in enumerate((10**300, 10**400, float("inf"), float("nan"), "21", None)):
        scores = {"val": {"rows": {"this run": {"log_likelihood": value, "error": 1.0}}}}
        kept = RunData.read(make_run(tmp_path / str(place), scores=scores))
        assert kept.scores == ({"val": scores["val"]} if value == 10**300 else {})
        assert value == 10**300 or "scores.json: what it says of 'val' cannot be read" in kept.missing


def test_what_is_not_finite_is_null_in_json_and_no_half_of_a_letter_reaches_a_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "x", config={"clip": float("inf"), "root": "\udcff"}, reason="\udcff")
    (run / "diagnosis.json").write_text('[{"round": NaN}]')
    assert json.loads(_page(run, kind="json"), parse_constant=pytest.fail)["runs"][0]["findings"] == [{"round": None}]
    assert all("?" in _page(run, kind=kind).encode().decode() for kind in ("html", "md"))
