"""Recipes, shards, catalog, generation: the database."""

from exitwave.dataset.dataset import Dataset
from exitwave.dataset.generate import generate
from exitwave.dataset.recipe import Recipe, shipped_recipes
from exitwave.dataset.render import Sample, render

__all__ = ["Dataset", "Recipe", "Sample", "generate", "render", "shipped_recipes"]
