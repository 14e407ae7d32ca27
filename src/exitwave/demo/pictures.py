"""Pictures for the report: images as embedded PNG, outlines as vector paths on top of them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["encode_array", "encode_figure", "outline"]


def encode_figure(figure: Figure, dpi: int = 110) -> str:
    """Return a matplotlib figure as a data URI of a PNG with a transparent background."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", transparent=True)
    figure.clear()
    return _uri(buffer.getvalue(), "png")


def encode_array(array: NDArray[np.floating], size: int = 512, shares: tuple[float, float] = (0.3, 99.7)) -> str:
    """Return a grey image as a data URI, at most ``size`` pixels wide, stretched between two percentiles."""
    from PIL import Image

    low, high = np.percentile(array, shares)
    grey = np.clip((array - low) / max(high - low, 1e-12), 0, 1)
    image = Image.fromarray(np.round(grey * 255).astype(np.uint8))
    if max(image.size) > size:
        scale = size / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="jpeg", quality=90)  # noise makes a PNG three times as large
    return _uri(buffer.getvalue(), "jpeg")


def outline(mask: NDArray[np.generic], simplify: float = 0.3) -> str:
    """Return the outlines of a mask as SVG path data, in pixels of the mask with pixel centres at ½.

    Parameters
    ----------
    mask
        (y, x) array, zero outside.
    simplify
        Points closer than this many pixels to the line through their neighbours are left out.
    """
    from contourpy import contour_generator

    padded = np.pad((np.asarray(mask) > 0).astype(np.float32), 1)
    paths = []
    for line in contour_generator(z=padded, name="serial").lines(0.5):
        points = _simplified(np.asarray(line) - 0.5, simplify)
        paths.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(paths)


def _simplified(points: NDArray[np.floating], tolerance: float) -> NDArray[np.floating]:
    """Return the points without those that lie on the line between the points kept around them."""
    kept = [0]
    for index in range(1, len(points) - 1):
        start, end = points[kept[-1]], points[index + 1]
        between = points[kept[-1] + 1 : index + 1] - start
        along = end - start
        length = float(np.hypot(*along)) or 1.0
        if np.abs(between[:, 0] * along[1] - between[:, 1] * along[0]).max() / length > tolerance:
            kept.append(index)
    return points[[*kept, len(points) - 1]]


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
