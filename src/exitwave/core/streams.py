"""Randomness as a value: counter-based streams that are named, split and never shared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

__all__ = ["Stream"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A named, reproducible source of random numbers.

    A stream is a seed and a path of names. Its key is the BLAKE2b hash of both, so children are
    independent of each other, of the order in which they are made and of how many numbers anybody drew.

    Parameters
    ----------
    seed
        Any integer.
    path
        Names and counters below the seed; extend it with ``/``.

    Examples
    --------
    >>> stream = Stream(42) / "structure" / 17
    >>> stream.generator().random() == stream.generator().random()
    True
    >>> str(stream)
    '42/structure/17'
    """

    seed: int
    path: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer):
            raise TypeError(f"seed is {self.seed!r}; a seed is an integer.")
        object.__setattr__(self, "seed", int(self.seed))
        object.__setattr__(self, "path", tuple(_name(part) for part in self.path))

    def __truediv__(self, name: str | int) -> Stream:
        """Return the child stream called ``name`` (no slashes)."""
        return Stream(self.seed, (*self.path, _name(name)))

    def __str__(self) -> str:
        return "/".join((str(self.seed), *self.path))

    @classmethod
    def parse(cls, text: str) -> Stream:
        """Return the stream that ``str`` wrote as ``text``.

        Examples
        --------
        >>> Stream.parse("42/structure/17") == Stream(42) / "structure" / 17
        True
        """
        seed, *path = text.split("/")
        try:
            return cls(int(seed), tuple(path))
        except ValueError:
            raise ValueError(f"stream is {text!r}; it is an integer and names, as in 42/structure/17.") from None

    def key(self, size: int = 16) -> int:
        """Return an integer of ``size`` bytes that belongs to this stream alone."""
        return int.from_bytes(hashlib.blake2b(str(self).encode(), digest_size=size).digest(), "little")

    def generator(self) -> np.random.Generator:
        """Return a new numpy generator (Philox) at the start of this stream."""
        return np.random.Generator(np.random.Philox(key=self.key(16)))

    def integer(self) -> int:
        """Return a non-negative 63-bit integer, to seed the generators of other libraries."""
        return self.key(8) >> 1

    def uniform(self) -> float:
        """Return one number, uniform in the open interval (0, 1)."""
        return ((self.key(8) >> 12) + 0.5) * 2.0**-52  # 52 bits: with 53, the half would round up to 1


def _name(name: str | int) -> str:
    text = str(name)
    if not text or "/" in text:
        raise ValueError(f"stream name is {text!r}; a name is text without slashes, or an integer.")
    return text
