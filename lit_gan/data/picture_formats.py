"""Which files are pictures: by their suffixes, those that the installed Pillow decodes, and those that it does not."""

from functools import cache

from PIL import Image, ImageFile

# Pillow opens these, but hands EPS to another program, decodes nothing of MPEG and IPTC, and is about to drop IM.
_NOT_DECODED = frozenset({"EPS", "MPEG", "IPTC", "IM"})
# Opened by the reader of JPEG, which finds out what they are.
_OTHER_SUFFIXES = {".mpo": "JPEG"}

_LOOK_LIKE_PICTURES = (
    # what cameras and phones write
    *(".heic", ".heif", ".hif", ".raw", ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf"),
    *(".rw2", ".raf", ".pef", ".srw", ".x3f", ".3fr", ".erf", ".kdc", ".mrw", ".rwl"),
    # newer formats, and those of programs that draw
    *(".jxl", ".jxr", ".wdp", ".hdr", ".exr", ".bpg", ".flif", ".ktx", ".ktx2", ".svg", ".svgz", ".ai", ".eps", ".wmf"),
    *(".emf", ".xcf", ".kra", ".clip", ".djvu"),
    # what Pillow decodes where it was built to
    *(".avif", ".avifs", ".webp", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
)


def readable_suffixes() -> frozenset[str]:
    """The suffixes of the files that are read, in small letters; a reader that is registered with Pillow adds its own.

    Example:
        >>> {".png", ".jpg", ".jfif", ".webp"} <= readable_suffixes()
        True
    """
    formats = set(readable_formats())
    registered = {**Image.registered_extensions(), **_OTHER_SUFFIXES}
    return frozenset(suffix for suffix, name in registered.items() if name in formats)


def readable_formats() -> list[str]:
    """Pillow's names of the formats whose pixels it decodes by itself."""
    Image.preinit()  # the usual formats come first
    Image.init()
    return list(_decoded(tuple(Image.OPEN)))


def looks_like_a_picture(suffix: str) -> bool:
    """Whether a suffix in small letters is that of pictures that are not read.

    Example:
        >>> looks_like_a_picture(".heic"), looks_like_a_picture(".csv")
        (True, False)
    """
    return suffix in _LOOK_LIKE_PICTURES and suffix not in readable_suffixes()


@cache  # asked for with every picture
def _decoded(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in _NOT_DECODED and not _is_a_stub(name))


@cache
def _is_a_stub(name: str) -> bool:
    """Whether Pillow only knows such files by sight, and waits for a program to bring a decoder."""
    factory = Image.OPEN[name][0]
    return isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)
