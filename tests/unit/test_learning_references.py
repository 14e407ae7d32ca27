"""The networks that come with exitwave: found by name, small, and good on micrographs that they never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from exitwave.core import TrainingError
from exitwave.dataset import Recipe
from exitwave.learning import Net, Network, Normalisation, Training, evaluate
from exitwave.learning.heads import HEADS
from exitwave.learning.networks import build
from exitwave.learning.references import reference_file, reference_networks
from exitwave.micrographs import labelled_pairs


@pytest.mark.parametrize("name", [name for name in reference_networks() if name != "cdse"])  # micrographs of gold
def test_a_shipped_network_marks_particles_of_real_micrographs(name: str) -> None:
    network = Network.load(name)
    pairs = [(pair.micrograph, pair.mask) for pair in list(labelled_pairs())[:3]]
    result = evaluate(network, pairs, resamples=10)
    assert result.intervals["particle_f1"].value > 0.75  # measured on all ten: 0.85


@pytest.mark.parametrize("name", reference_networks())
def test_a_shipped_network_tells_the_recipe_that_made_it(name: str) -> None:
    record = Network.load(name).record
    assert Recipe.parse(record["data"]["recipe"]).identity == Recipe.read(f"reference-{name}").identity
    assert reference_file(name).stat().st_size < 8e6


@pytest.mark.parametrize("name", reference_networks())
def test_a_reference_recipe_has_all_that_its_training_learns_from(name: str) -> None:
    spec = Training.read("reference")
    rules = [rule.key for rule in Recipe.read(f"reference-{name}").labels]
    assert spec.rule in rules
    assert all(HEADS[head].rule_of(rules) == next(iter(HEADS[head].targets)) for head in spec.net.heads)
    assert Network.load(name).net == spec.net  # so that others can start from it


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(TrainingError, match="did you mean general"):
        Network.load("generl")
    with pytest.raises(TrainingError, match="is not there"):
        Network.load("somewhere/general")


def test_weights_in_half_precision_change_probabilities_by_little(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = Net(width=0.125)
    network = Network(net, build(net).state_dict(), 0.4, Normalisation())
    image = np.random.default_rng(1).normal(size=(96, 96))
    full = network.save(tmp_path / "full.safetensors")
    half = network.save(tmp_path / "half.safetensors", half=True)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    assert np.abs(Network.load(half).predict(image, 0.4) - network.predict(image, 0.4)).max() < 0.01
