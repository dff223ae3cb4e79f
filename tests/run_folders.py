"""Run folders as trainings leave them, made without one."""

import io
import json
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from lit_gan.runs.record import RunRecord

_COLUMNS = (
    "step,epoch,train/loss_d,train/loss_g,train/value,train/jsd_bound,train/d_real,train/d_fake,train/grad_norm_g"
)
_COLUMNS += (
    ",perf/images_per_second,val/d_lead,val/parzen_nll,val/parzen_se,val/near_duplicates,val/near_duplicates_real"
)
SCORES = {
    "val": {
        "rounds": 1000,
        "pixels": True,
        "rows": {
            "this run": {"log_likelihood": 21.5, "error": 0.8, "sigma": 0.2, "centres": 10000, "images": 150},
            "training images": {
                "log_likelihood": 29.3,
                "error": 1.3,
                "sigma": 0.1,
                "centres": 1200,
                "images": 150,
                "this_run_minus_it": -7.8,
                "paired_error": 0.6,
            },
        },
    }
}


def make_run(
    folder: Path,
    status: Any = "finished",
    reason: str = "",
    *,
    rows: int = 20,
    config: dict[str, Any] | None = None,
    scores: Any = SCORES,
    pictures: int = 3,
) -> Path:
    """A run folder of so many logged rounds, every second of them validated."""
    folder.mkdir(parents=True)
    shipped = {"seed_everything": 0, "trainer": {"max_epochs": 500}}
    record = RunRecord.first(config or shipped).marked(status, reason)
    record.write(folder / "run.json")
    (folder / "config.yaml").write_text(yaml.safe_dump(config or shipped))
    lines = [_COLUMNS]
    for row in range(rows):
        values = [50 * row + 49, row, 0.6, 0.8, -1.3, 0.04, 0.5, 0.45, 0.3 + 0.01 * row, 5000]
        val = [0.2, -row, 0.5, 0.0, 0.0] if row % 2 else [""] * 5
        lines.append(",".join(map(str, [*values, *val])))
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    (folder / "environment.json").write_text(
        json.dumps(
            {"seed": 0, "argv": ["/bin/lit-gan", "fit", "--config", folder.parent.name], "hardware": {"cpus": 2}}
        )
    )
    if scores is not None:
        (folder / "scores.json").write_text(json.dumps(scores))
    (folder / "samples").mkdir()
    for number in range(1, pictures + 1):
        (folder / "samples" / f"round-{100 * number:06d}.png").write_bytes(picture(number))
    return folder


def picture(shade: int, size: int = 16) -> bytes:
    """A small grey PNG."""
    out = io.BytesIO()
    Image.new("L", (size, size), 10 * shade % 256).save(out, "PNG")
    return out.getvalue()
