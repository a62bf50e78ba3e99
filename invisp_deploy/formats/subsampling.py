"""The chroma subsamplings of a JPEG that we write, by the names that Pillow takes."""

from typing import Final

SUBSAMPLINGS: Final = ("4:4:4", "4:2:2", "4:2:0")
