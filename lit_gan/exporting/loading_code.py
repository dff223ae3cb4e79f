"""The lines of Python that load an exported file without lit_gan."""

import json
from typing import Any

from lit_gan.exporting.file_format import KEY
from lit_gan.exporting.prior import draw_in_numpy

_ROWS = 16


def loading_code(name: str, file: str, description: dict[str, Any]) -> str:
    """Python that loads a file and calls it for sixteen latents.

    Args:
        name: Of the format.
        file: Its path.
        description: Of the generator, :func:`lit_gan.exporting.description.describe`.
    """
    return "\n".join({"onnx": _onnx, "torchscript": _torchscript, "safetensors": _safetensors}[name](file, description))


def _onnx(file: str, description: dict[str, Any]) -> list[str]:
    stored = f'generator.get_modelmeta().custom_metadata_map["{KEY}"]'
    fed = ", ".join(f'"{each["name"]}": {each["name"]}' for each in description["inputs"])
    return [
        *_imports(description, "import numpy as np, onnxruntime"),
        f"generator = onnxruntime.InferenceSession({json.dumps(file)})",
        *_inputs(description, stored),
        f"[images] = generator.run(None, {{{fed}}})  # {_gives(description)}",
    ]


def _torchscript(file: str, description: dict[str, Any]) -> list[str]:
    names = [each["name"] for each in description["inputs"]]
    called = "torch.from_numpy(z)" if len(names) == 1 else f"*map(torch.from_numpy, ({', '.join(names)}))"
    mixture = _is_mixture(description)
    further = f', _extra_files=(extra := {{"{KEY}.json": ""}})' if mixture else ""
    return [
        *_imports(description, "import numpy as np, torch"),
        f"generator = torch.jit.load({json.dumps(file)}{further})",
        *_inputs(description, f'extra["{KEY}.json"]'),
        f"images = generator({called})  # {_gives(description)}",
    ]


def _safetensors(file: str, _: dict[str, Any]) -> list[str]:
    return [
        "import json, pathlib",
        "from safetensors.numpy import load_file",
        "",
        f"weights = load_file({json.dumps(file)})  # arrays, by the network's own names",
        f"config = json.loads(pathlib.Path({json.dumps(f'{file}.json')}).read_text())  # the network's arguments, p_z",
        'print(config["generator"], {name: each.shape for name, each in weights.items()})',
    ]


def _imports(description: dict[str, Any], line: str) -> list[str]:
    return [line.replace("import ", "import json, ", 1) if _is_mixture(description) else line, ""]


def _is_mixture(description: dict[str, Any]) -> bool:
    return "centres" in description["latent"]


def _inputs(description: dict[str, Any], stored: str) -> list[str]:
    lines = draw_in_numpy(description["latent"], _ROWS, f'json.loads({stored})["latent"]["centres"]')
    for each in description["inputs"][1:]:
        shape = ", ".join(str(size) for size in (_ROWS, *each["shape"][1:]))
        if each["dtype"] == "int64":
            lines.append(f"{each['name']} = np.arange({_ROWS}) % {each['num_classes']}")
        else:
            lines.append(f'{each["name"]} = np.zeros(({shape}), "float32")  # {each["meaning"]}')
    return lines


def _gives(description: dict[str, Any]) -> str:
    return f"{(_ROWS, *description['output']['shape'][1:])} in [0, 1]"
