"""The distribution of latents for whoever has a file alone: its parameters, and how NumPy draws from it."""

from typing import Any

from lit_gan.latents import Latent, Mixture, Normal, Spherical, Truncated, Uniform


def prior(latent: Latent) -> dict[str, Any]:
    """A distribution of latents as plain data: its class, and its parameters where it is one of the package's.

    Example:
        >>> prior(Uniform(4, low=-1.0, high=1.0))
        {'class_path': 'lit_gan.latents.Uniform', 'size': 4, 'low': -1.0, 'high': 1.0}
    """
    kind = type(latent)
    named = {"class_path": f"{kind.__module__}.{kind.__qualname__}", "size": latent.size}
    parameters = ("low", "high", "mean", "std", "threshold", "num_components")
    if kind not in (Uniform, Normal, Truncated, Spherical, Mixture):
        return named
    named |= {name: getattr(latent, name) for name in parameters if hasattr(latent, name)}
    return named | ({"centres": latent.centres().tolist()} if isinstance(latent, Mixture) else {})


def draw_in_numpy(latents: dict[str, Any], num: int, centres: str) -> list[str]:
    """Lines of Python that draw latents ``z``, ``(num, size)`` in 32 bits, where ``np`` is NumPy.

    Args:
        latents: Their distribution, :func:`prior`.
        num: How many.
        centres: What the centres of a mixture are read by.

    Example:
        >>> draw_in_numpy(prior(Normal(8)), 16, "")
        ['z = np.random.default_rng(0).standard_normal((16, 8), "float32")']
    """
    shape, rng, given = f"({num}, {latents['size']})", "np.random.default_rng(0)", latents.get
    mean, std = given("mean"), given("std")
    match latents["class_path"].removeprefix("lit_gan.latents."):
        case "Uniform":
            lines = [f'z = {rng}.uniform({given("low")}, {given("high")}, {shape}).astype("float32")']
        case "Normal" if (mean, std) == (0, 1):
            lines = [f'z = {rng}.standard_normal({shape}, "float32")']
        case "Normal":
            lines = [f'z = {rng}.normal({mean}, {std}, {shape}).astype("float32")']
        case "Spherical":
            onto = f"z *= {latents['size']} ** 0.5 / np.linalg.norm(z, axis=1, keepdims=True)"
            lines = [f'z = {rng}.standard_normal({shape}, "float32")', onto]
        case "Truncated":
            lines = [*_noise(shape, given("threshold")), f'z = ({mean} + {std} * noise).astype("float32")']
        case "Mixture":
            chosen = f"centres[rng.integers({given('num_components')}, size={num})]"
            around = f'z = ({chosen} + {std} * noise).astype("float32")'
            lines = [*_noise(shape, given("threshold")), f"centres = np.array({centres})", around]
        case own:
            lines = [f'z = np.zeros({shape}, "float32")  # instead of zeros: what {own} draws']
    return lines


def _noise(shape: str, threshold: float | None) -> list[str]:
    lines = ["rng = np.random.default_rng(0)", f"noise = rng.standard_normal({shape})"]
    if threshold is not None:  # drawn anew until it is small enough, which is the same distribution
        lines.append(f"while (far := abs(noise) > {threshold}).any(): noise[far] = rng.standard_normal(far.sum())")
    return lines
