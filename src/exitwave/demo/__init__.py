"""The demonstration: from atoms to a segmented real micrograph, with a report."""

from exitwave.demo.pipeline import Demo, DemoResult, demo_recipe, run

__all__ = ["Demo", "DemoResult", "demo_recipe", "run"]
