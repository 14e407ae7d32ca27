"""The table of particles: sizes and shapes in nm."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull, QhullError

from exitwave.micrographs.segmentation import Segmentation
from exitwave.micrographs.wholes import whole_shapes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "feret", "particle_table"]

COLUMNS = {
    "particle": "int64",
    "area_nm2": "float64",
    "equivalent_diameter_nm": "float64",
    "feret_diameter_nm": "float64",
    "feret_minimum_nm": "float64",
    "circularity": "float64",
    "aspect": "float64",
    "x_nm": "float64",
    "y_nm": "float64",
    "touches_border": "bool",
    "overlapped": "float64",
    "confidence": "float64",
}


def particle_table(segmentation: Segmentation) -> pd.DataFrame:
    r"""Return one row per particle of a segmentation.

    Columns: ``particle`` (its number in the instance map), ``area_nm2``, ``equivalent_diameter_nm``
    (:math:`2\sqrt{A/\pi}`), ``feret_diameter_nm`` and ``feret_minimum_nm`` (largest and smallest calliper width),
    ``circularity`` (:math:`4\pi A/P^2`; 1 for a disc, at most 1), ``aspect`` (major over
    minor axis of the ellipse of the same moments), ``x_nm``, ``y_nm`` (centroid; pixel (0, 0) is at 0, 0),
    ``touches_border`` (cut off by the image's edge, so its size is a lower bound), ``overlapped`` (share of its area
    that the instance map gives to others) and ``confidence`` (mean probability of its own pixels).

    Sizes, shapes and places are of the particle whole, with what lies over or under others, as far as the network
    says how deep inside of its particle a pixel lies: see :func:`~exitwave.micrographs.whole_shapes`.

    Parameters
    ----------
    segmentation
        Of a micrograph with a pixel size.

    Returns
    -------
    pandas.DataFrame
        Rows in the order of the numbers in the instance map.

    Raises
    ------
    MicrographError
        If the pixel size is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from exitwave.imaging.micrograph import Micrograph
    >>> y, x = np.mgrid[:100, :100]
    >>> disc = np.hypot(y - 50, x - 40) <= 30
    >>> found = Segmentation(disc, disc.astype(np.float32), disc.astype(np.int32), Micrograph(1.0 - disc, 2.0))
    >>> particle_table(found)[["equivalent_diameter_nm", "circularity", "x_nm"]].round(1).values.tolist()
    [[12.0, 1.0, 8.0]]
    """
    import pandas as pd

    measure: Any = import_module("skimage.measure")
    nm = segmentation.micrograph.known_pixel_size() / 10
    height, width = segmentation.instances.shape
    shapes = whole_shapes(segmentation.instances, segmentation.maps.get("depth"), 10 * nm)
    rows = []
    for region in measure.regionprops(segmentation.instances, intensity_image=segmentation.probability):
        along_y, along_x, whole = shapes[int(region.label)]
        area = float(whole.sum())
        shape = np.pad(whole, 1)
        largest, smallest = feret(shape)
        perimeter = _perimeter(shape)
        y, x = (
            part.start + float(places.mean())
            for part, places in zip((along_y, along_x), np.nonzero(whole), strict=True)
        )
        edges = whole[0].any() and along_y.start == 0, whole[-1].any() and along_y.stop == height
        sides = whole[:, 0].any() and along_x.start == 0, whole[:, -1].any() and along_x.stop == width
        rows.append(
            (
                int(region.label),
                area * nm**2,
                2 * np.sqrt(area / np.pi) * nm,
                largest * nm,
                smallest * nm,
                min(1.0, 4 * np.pi * area / perimeter**2) if perimeter else 1.0,
                _aspect(shape),
                x * nm,
                y * nm,
                any(edges) or any(sides),
                1 - float(region.area) / area,
                float(region.image_intensity[region.image].mean(dtype=np.float64)),
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def feret(shape: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the largest and the smallest calliper width of a shape in pixels, between the middles of pixel edges.

    Examples
    --------
    >>> import numpy as np
    >>> largest, smallest = feret(np.ones((10, 30), bool))
    >>> round(largest, 1), round(smallest, 1)
    (31.3, 10.0)
    """
    y, x = np.nonzero(shape)
    centres = np.stack([x, y], axis=1).astype(np.float64)
    steps = np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    points = (centres[:, None, :] + steps).reshape(-1, 2)
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:
        corners = points
    offsets = corners[:, None, :] - corners[None, :, :]
    largest = float(np.sqrt((offsets**2).sum(axis=-1)).max())
    edges = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.hypot(edges[:, 0], edges[:, 1])[:, None]
    widths = np.ptp(normals @ corners.T, axis=1)
    return largest, float(widths.min())


def _perimeter(shape: NDArray[np.bool_]) -> float:
    """Return the length of the outer outline, smoothed by one pixel: pixel steps would lengthen slanted edges."""
    measure: Any = import_module("skimage.measure")
    smooth = gaussian_filter(np.pad(shape, 3).astype(np.float64), 1.0)
    outlines = measure.find_contours(smooth, 0.5)
    return max((float(np.hypot(*np.diff(line, axis=0).T).sum()) for line in outlines), default=0.0)


def _aspect(shape: NDArray[np.bool_]) -> float:
    y, x = np.nonzero(shape)
    # A pixel is a square, not a point: 1/12 is its own second moment.
    moments = np.cov(np.stack([y, x]), bias=True).reshape(2, 2) + np.eye(2) / 12
    low, high = np.linalg.eigvalsh(moments)
    return float(np.sqrt(high / low))
