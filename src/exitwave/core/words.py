"""Numbers of things in words: no particles, 1 particle, 2 particles."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Return a number with the noun that it counts, for messages.

    Parameters
    ----------
    number
        How many; 0 is "no".
    noun
        What they are, in the singular; its plural ends in s.

    Returns
    -------
    str
        Both, thousands parted by commas.

    Examples
    --------
    >>> counted(0, "particle"), counted(1, "image"), counted(2400, "image")
    ('no particles', '1 image', '2,400 images')
    """
    return f"{f'{number:,}' if number else 'no'} {noun}{'s' * (number != 1)}"
