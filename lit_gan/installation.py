"""How this package was installed, for advice that fits."""

import json
from importlib.metadata import PackageNotFoundError, distribution


def install_command(extra: str) -> str:
    """What installs an extra beside what is there: from a checkout where that is what is in use, else by name.

    Example:
        >>> install_command("sweep") in ("pip install -e '.[sweep]'", "pip install 'lit-gan[sweep]'")
        True
    """
    return f"pip install -e '.[{extra}]'" if _is_a_checkout() else f"pip install 'lit-gan[{extra}]'"


def _is_a_checkout() -> bool:
    """Whether the package is an editable install (PEP 610), or not installed at all and run where it lies."""
    try:
        origin = distribution("lit-gan").read_text("direct_url.json")
    except PackageNotFoundError:
        return True
    return origin is not None and bool(json.loads(origin).get("dir_info", {}).get("editable"))
