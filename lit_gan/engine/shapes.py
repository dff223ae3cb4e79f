"""Shapes that differ by a turn, or by an axis."""


def how_to_turn(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """The way from one shape to the other, where it is a turn or an axis."""
    if len(shape) == len(wanted) == 3 and (shape[2], *shape[:2]) == wanted != shape:
        return "; channels come first: x.permute(0, 3, 1, 2) in the data set"
    if (1, *shape) == wanted:
        return "; the axis of the channels is missing: x.unsqueeze(1) in the data set"
    return ""
