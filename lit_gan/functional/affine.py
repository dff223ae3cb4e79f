"""Affine maps of the plane and of colours, a matrix for each image, and images under them.

A map of the plane is given by its inverse, from places in the image that comes out to places in the one that goes in:
``(N, 3, 3)``, in pixels about the centre, x before y. A map of colours goes forward: ``(N, 4, 4)``, about 0.
"""

import torch
from torch import Tensor


def identities(like: Tensor, size: int) -> Tensor:
    """For each image the map that changes nothing, ``(N, size, size)``."""
    return torch.eye(size, device=like.device, dtype=like.dtype).expand(len(like), size, size)


def translations(*by: Tensor) -> Tensor:
    """Maps that add ``by``, a tensor ``(N,)`` for each coordinate.

    Example:
        >>> translations(torch.tensor([2.0]), torch.tensor([3.0]))[0]
        tensor([[1., 0., 2.],
                [0., 1., 3.],
                [0., 0., 1.]])
    """
    maps = identities(by[0], len(by) + 1).clone()
    maps[:, :-1, -1] = torch.stack(by, dim=1)
    return maps


def scalings(*by: Tensor) -> Tensor:
    """Maps that multiply by ``by``, a tensor ``(N,)`` for each coordinate."""
    return torch.diag_embed(torch.stack([*by, torch.ones_like(by[0])], dim=1))


def rotations(angle: Tensor) -> Tensor:
    """Rotations of the plane by ``angle`` ``(N,)``, in radians from x towards y."""
    maps = identities(angle, 3).clone()
    maps[:, 0, 0] = maps[:, 1, 1] = angle.cos()
    maps[:, 1, 0] = angle.sin()
    maps[:, 0, 1] = -maps[:, 1, 0]
    return maps


def turns_of_colour(angle: Tensor) -> Tensor:
    """Rotations of the colours about the axis of the greys by ``angle`` ``(N,)``: the hue (Rodrigues' formula)."""
    grey = torch.full((3,), 3**-0.5, device=angle.device, dtype=angle.dtype)
    cross = torch.linalg.cross(torch.eye(3, device=angle.device, dtype=angle.dtype), grey.expand(3, 3))
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    about = cosine * identities(angle, 3) + sine * cross + (1 - cosine) * torch.outer(grey, grey)
    return _of_colours(about)


def saturations(by: Tensor) -> Tensor:
    """Maps that multiply a colour's distance from grey by ``by`` ``(N,)``, and keep its brightness."""
    grey = torch.full((3, 3), 1 / 3, device=by.device, dtype=by.dtype)
    return _of_colours(grey + by[:, None, None] * (identities(by, 3) - grey))


def reflections_of_brightness(which: Tensor) -> Tensor:
    """Maps that turn bright to dark and keep the hue, for the images of ``which`` ``(N,)``: 1 does, 0 does not."""
    grey = torch.full((3, 3), 1 / 3, device=which.device, dtype=which.dtype)
    return _of_colours(identities(which, 3) - 2 * which[:, None, None] * grey)


def _of_colours(matrices: Tensor) -> Tensor:
    maps = identities(matrices, 4).clone()
    maps[:, :3, :3] = matrices
    return maps


def warped(images: Tensor, inverse: Tensor) -> Tensor:
    """Images under maps of the plane, bilinear between pixels; beyond its edges an image is mirrored for ever.

    Twice differentiable, which torch's ``grid_sample`` is not. Whole pixels are taken over to the bit.

    Args:
        images: ``(N, C, H, W)``.
        inverse: ``(N, 3, 3)``, of each map the inverse.

    Returns:
        A tensor of the images' shape.

    Example:
        >>> right = translations(torch.tensor([-1.0]), torch.tensor([0.0]))  # the inverse goes to the left
        >>> warped(torch.tensor([[[[1.0, 2.0, 3.0]]]]), right).flatten()
        tensor([1., 1., 2.])
    """
    num, channels, height, width = images.shape
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
    y = torch.arange(height, device=images.device, dtype=images.dtype) - (height - 1) / 2
    (xx, xy, x0), (yx, yy, y0) = (inverse[:, row, :, None, None].unbind(1) for row in range(2))
    columns = xx * x + xy * y[:, None] + x0 + (width - 1) / 2
    rows = yx * x + yy * y[:, None] + y0 + (height - 1) / 2
    left, top = columns.floor(), rows.floor()
    right_part, lower_part = (columns - left)[:, None], (rows - top)[:, None]
    flat = images.flatten(2)

    def at(down: int, right: int) -> Tensor:
        place = _mirrored(top.long() + down, height) * width + _mirrored(left.long() + right, width)
        return flat.gather(2, place.reshape(num, 1, -1).expand(-1, channels, -1)).view_as(images)

    upper = at(0, 0) * (1 - right_part) + at(0, 1) * right_part
    lower = at(1, 0) * (1 - right_part) + at(1, 1) * right_part
    return upper * (1 - lower_part) + lower * lower_part


def _mirrored(place: Tensor, size: int) -> Tensor:
    """Which pixel stands at a place of the image that goes on in its mirror image."""
    place = place.remainder(2 * size)
    return torch.minimum(place, 2 * size - 1 - place)


def recoloured(images: Tensor, maps: Tensor) -> Tensor:
    """Images under maps of colours; of grey ones, the mean of what becomes of the grey.

    Args:
        images: ``(N, 3, H, W)`` or ``(N, 1, H, W)``.
        maps: ``(N, 4, 4)``.

    Returns:
        A tensor of the images' shape.
    """
    linear, offset = maps[:, :3, :3], maps[:, :3, 3]
    if images.shape[1] == 1:
        linear, offset = linear.sum(2).mean(1)[:, None, None], offset.mean(1, keepdim=True)
    return torch.einsum("nij,njhw->nihw", linear, images) + offset[:, :, None, None]
