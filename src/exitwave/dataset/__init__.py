"""Recipes, shards, catalog, generation, curation and the doctor: the database."""

from exitwave.dataset.curate import concat, mix
from exitwave.dataset.dataset import Dataset
from exitwave.dataset.doctor import Diagnosis, doctor, leakage
from exitwave.dataset.formats import Format, export, formats, import_images
from exitwave.dataset.generate import generate
from exitwave.dataset.loading import ImageTensors
from exitwave.dataset.plan import Plan, plan
from exitwave.dataset.recipe import Recipe, shipped_recipes
from exitwave.dataset.samples import Sample, render
from exitwave.dataset.schema import recipe_schema

__all__ = [
    "Dataset",
    "Diagnosis",
    "Format",
    "ImageTensors",
    "Plan",
    "Recipe",
    "Sample",
    "concat",
    "doctor",
    "export",
    "formats",
    "generate",
    "import_images",
    "leakage",
    "mix",
    "plan",
    "recipe_schema",
    "render",
    "shipped_recipes",
]
