"""The session: images that were taken one after the other at one microscope."""

from __future__ import annotations

from itertools import accumulate
from typing import Annotated, Any

from exitwave.core import Distribution, Number, Spec, Stream
from exitwave.imaging.microscope import Microscope

__all__ = ["Session"]

_KEYS = (
    "focal_spread", "aberrations", "convergence", "aperture", "contrast", "vibration", "drift", "drift_angle",
    "detector",
)  # fmt: skip


class Session(Spec):
    """Exposures of one specimen in a row: what the day's alignment left is common to them and drifts slowly.

    In a recipe every structure is a session of its own: its images share camera, coherence and residual aberrations,
    which wander from image to image (:meth:`Microscope.session`). What an image is told besides, such as focus and
    dose, is drawn for each image alone.

    Parameters
    ----------
    microscope
        The instrument; ``Imaging`` takes it from its key ``microscope``.
    interval
        Between one exposure and the next, minutes.
    correlation
        Time after which the aberrations have forgotten where they were, minutes.
    share
        Size of their drift relative to the aberrations of the day.
    keys
        Fields of the image that the session decides: those that were not given beside it.

    Examples
    --------
    >>> session = Session(microscope="corrected-300", interval=1.0)
    >>> first, second = (session.exposure(Stream(1), index) for index in (0, 1))
    >>> first["focal_spread"] == second["focal_spread"], first["aberrations"] == second["aberrations"]
    (True, False)
    """

    microscope: Microscope
    interval: Annotated[float | Distribution, Number("an interval", "minutes", at_least=0)] = 2.0
    correlation: Annotated[float | Distribution, Number("a correlation time", "minutes", above=0)] = 20.0
    share: Annotated[float | Distribution, Number("a share", at_least=0, at_most=10)] = 0.3
    keys: tuple[str, ...] = _KEYS

    def exposure(self, stream: Stream, index: int) -> dict[str, Any]:
        """Return the imaging fields of exposure number ``index`` of the session that ``stream`` decides."""

        def drawn(name: str, key: str) -> float:
            value = getattr(self, name)
            return float(value.draw(stream / key)) if isinstance(value, Distribution) else float(value)

        waits = (drawn("interval", f"interval {number}") for number in range(1, index + 1))
        times = list(accumulate(waits, initial=0.0))
        drift = {name: drawn(name, name) for name in ("correlation", "share")}
        fields = self.microscope.session(times, stream, **drift)[index]
        return {name: fields[name] for name in self.keys if name in fields}
