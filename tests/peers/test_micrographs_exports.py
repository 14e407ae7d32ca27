"""ImageJ ROIs as another implementation reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exitwave.imaging import Micrograph
from exitwave.micrographs import Segmentation, write_rois

roifile = pytest.importorskip("roifile")


def test_roifile_reads_our_outlines(tmp_path: Path) -> None:
    y, x = np.mgrid[:80, :100]
    instances = (np.hypot(y - 30, x - 40) <= 12).astype(np.int32)
    image = Micrograph(np.ones((80, 100)), 0.2)
    file = write_rois(Segmentation(instances > 0, instances.astype(np.float32), instances, image), tmp_path / "r.zip")
    [roi] = roifile.roiread(file)
    points = roi.coordinates()
    assert roi.name == "particle-0001"
    assert roi.roitype == roifile.ROI_TYPE.TRACED
    np.testing.assert_allclose(points.mean(axis=0), [40.5, 30.5], atol=0.2)
    assert np.ptp(points, axis=0) == pytest.approx([25, 25])
