"""Training: what it learns from, what it keeps, and what it refuses."""

import json

import numpy as np
import pytest
import torch

from exitwave.core import SpecError, Stream, TrainingError
from exitwave.dataset import Recipe, concat, generate
from exitwave.imaging import Micrograph
from exitwave.learning import (
    ArrayData,
    Crops,
    Net,
    Network,
    Normalisation,
    Stored,
    Training,
    build,
    evaluate,
    train,
    widened,
)
from exitwave.learning.batches import Joined
from exitwave.learning.data import partition, strangers

SMALL = {"net": Net(width=0.125), "crops": {"size": 32}, "batch": 4}


def striped(count=16, size=64, seed=1):
    """Discs with fringes of 2.4 Å on noise: only the fringes tell."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] * 0.4
    images, labels = np.ones((count, size, size)), np.zeros((count, size, size), np.uint8)
    for image, label in zip(images, labels, strict=True):
        centre, angle = random.uniform(6, size * 0.4 - 6, 2), random.uniform(0, np.pi)
        inside = np.hypot(y - centre[0], x - centre[1]) < random.uniform(5, 9)
        image += 0.25 * inside * np.cos(2 * np.pi * (np.cos(angle) * y + np.sin(angle) * x) / 2.4)
        label[inside] = 1
    return random.poisson(images * 60).astype(np.float32), labels


def test_it_learns_what_there_is_to_learn():
    images, labels = striped()
    data = ArrayData(images, labels, pixel_size=0.4)
    network = train(data, seed=1, epochs=12, net=Net(width=0.25), crops={"size": 64, "scale": 1.0}, batch=4,
                    learning_rate=4e-3)  # fmt: skip
    losses = [row["loss"] for row in network.history]
    assert losses[-1] < 0.8 * losses[0]
    new, truth = striped(4, seed=9)
    result = evaluate(network, [((image, 0.4), mask) for image, mask in zip(new, truth, strict=True)])
    assert result.scores.pooled > 0.5


def test_the_record_tells_all():
    images, labels = striped(6)
    network = train(ArrayData(images, labels, 0.4), seed=3, epochs=1, **SMALL)
    record = network.record
    assert record["seed"] == 3
    assert Training.parse(record["training"]).net == SMALL["net"]
    assert record["images"] == {"training": 5, "validation": 1}
    assert record["data"]["images"] == 6
    assert record["environment"]["versions"]["torch"]
    assert set(network.history[0]) == {
        "epoch", "step", "loss", "validation_loss", "validation_f1", "learning_rate", "seconds",
    }  # fmt: skip


def test_equal_seeds_equal_networks_and_no_global_generator():
    images, labels = striped(6)
    data = ArrayData(images, labels, 0.4)
    torch.manual_seed(1)
    one = train(data, seed=3, epochs=1, **SMALL)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = train(data, seed=3, epochs=1, **SMALL)
    assert torch.equal(torch.get_rng_state(), before)
    assert one.identity == again.identity
    assert one.identity != train(data, seed=4, epochs=1, **SMALL).identity


def test_no_structure_is_on_both_sides():
    groups = np.repeat(np.arange(20), 4)
    learn, held = partition(groups, 0.25)
    assert len(np.unique(groups[held])) == 5
    assert not set(groups[learn]) & set(groups[held])
    assert len(learn) + len(held) == 80
    with pytest.raises(TrainingError, match="two or more"):
        partition(np.zeros(5), 0.2)


def test_what_was_held_out_stays_so_where_images_are_added_or_in_another_order():
    names = np.array([f"structure {index}" for index in range(400)])
    held = set(names[:200][partition(names[:200], 0.1)[1]])
    assert held == set(names[:200][::-1][partition(names[:200][::-1], 0.1)[1]])
    more = names[partition(names, 0.1)[1]]
    assert len(more) == 40
    assert len(set(more[np.isin(more, names[:200])]) - held) <= 4


def test_a_users_images_are_held_out_by_what_they_show():
    images, labels = striped(12)
    data = ArrayData(images, labels, 0.4)
    held = {images[index].tobytes() for index in partition(strangers(data), 0.25)[1]}
    turned = ArrayData(images[::-1], labels[::-1], 0.4)
    assert held == {images[::-1][index].tobytes() for index in partition(strangers(turned), 0.25)[1]}
    with pytest.raises(TrainingError, match="one structure"):  # copies of one image are no two images
        train(ArrayData(np.ones((4, 64, 64)), np.ones((4, 64, 64)), 0.4), seed=1)


def test_the_best_epoch_is_kept_unless_the_last_is_asked_for():
    images, labels = striped(6)
    data = ArrayData(images, labels, 0.4)
    best = train(data, seed=3, epochs=3, **SMALL)
    last = train(data, seed=3, epochs=3, keep="last", **SMALL)
    losses = [row["validation_loss"] for row in best.history]
    assert (best.identity == last.identity) == (np.argmin(losses) == 2)


def test_fine_tuning_starts_from_the_weights_and_keeps_the_pixel_size():
    images, labels = striped(6)
    data = ArrayData(images, labels, 0.4)
    first = train(data, seed=3, epochs=1, **SMALL)
    tuned = train(data, seed=4, epochs=1, start=first, learning_rate=1e-9, crops={"size": 32}, batch=4, average=0)
    for name, value in first.module.state_dict().items():
        assert torch.allclose(value, tuned.module.state_dict()[name], atol=1e-6)
    assert tuned.record["start"]["identity"] == first.identity
    assert tuned.pixel_size == first.pixel_size
    assert Training.parse(train(data, seed=4, epochs=1, start=first, crops={"size": 32}, batch=4).record["training"]
                          ).learning_rate == pytest.approx(1e-4)  # fmt: skip
    for net in (Net(name="unet", width=0.5), Net(heads=("boundary",)), Net(norm="batch")):
        with pytest.raises(TrainingError, match="leave net out, or give a greater width"):
            train(data, seed=4, epochs=1, start=first, net=net)


@pytest.mark.parametrize("norm", ["group", "instance", "batch"])
@pytest.mark.parametrize(("fine", "heads"), [(True, ()), (True, ("boundary", "depth")), (False, ())])
def test_a_wider_network_says_the_same_and_its_copies_learn_different_things(norm, fine, heads):
    images, labels = striped(6)
    data = ArrayData(images, labels, 0.4)
    net = {"width": 0.25, "norm": norm, "fine": fine, "heads": heads}
    first = Network(Net(**net), build(Net(**net)).state_dict(), 0.4, Normalisation())
    for width in (0.5, 1.0):
        wide = widened(first, width, seed=1)
        for name, seen in first.predict_maps(images[0], 0.4).items():
            assert np.abs(wide.predict_maps(images[0], 0.4)[name] - seen).max() < 2e-5 * max(1, np.abs(seen).max())
    options = {"epochs": 1, "crops": {"size": 64}, "batch": 4, "average": 0, "learning_rate": 1e-2}
    tuned = train(data, seed=4, start=first, net=Net(width=0.5), **options)
    assert (tuned.net.width, tuned.net.heads) == (0.5, heads)
    assert tuned.record["start"]["identity"] == first.identity
    stem = tuned.module.state_dict()["stem.0.weight"]
    assert (stem[::2] - stem[1::2]).abs().max() > 1e-4
    for width in (0.25, 0.1):
        with pytest.raises(TrainingError, match=r"it is above 0\.25"):
            widened(first, width, seed=1)
    other = Net(name="unet")
    with pytest.raises(TrainingError, match="cannot be widened"):
        widened(Network(other, build(other).state_dict(), 0.4, Normalisation()), 2.0, seed=1)


def test_three_classes():
    images, labels = striped(6)
    labels[:, :20][labels[:, :20] > 0] = 2
    network = train(ArrayData(images, labels, 0.4), seed=1, epochs=1, net=Net(width=0.125, classes=3),
                    crops={"size": 32}, batch=4)  # fmt: skip
    classes = network.predict_classes(images[0], 0.4)
    assert classes.shape == (3, 64, 64)
    assert np.allclose(classes.sum(axis=0), 1, atol=1e-4)
    assert np.allclose(network.predict(images[0], 0.4), classes[1:].sum(axis=0), atol=1e-5)


def test_masks_of_three_classes_come_through_pairs_and_more_are_refused():
    images, labels = striped(6)
    labels[:, :20][labels[:, :20] > 0] = 2
    pairs = [(Micrograph(image, 0.4), mask) for image, mask in zip(images, labels, strict=True)]
    data = ArrayData.from_pairs(pairs)
    assert np.array_equal(data.masks("labels", range(6)), labels)
    three = Stored.read(data, range(6), Crops(size=32, pixel_size=0.4), net=Net(width=0.125, classes=3))
    assert int(three.labels.max()) == 2
    two = Stored.read(data, range(6), Crops(size=32, pixel_size=0.4), net=Net(width=0.125))
    assert int(two.labels.max()) == 1
    # classes that touch are particles of their own
    assert data.masks("instances", [0]).max() >= len(np.unique(labels[0])) - 1
    for wrong, sentence in (
        (labels.astype(np.uint16) * 150, r"labels reach from 0 to 300; with 3 classes they are whole numbers from 0"),
        (labels * 0.7, "labels are no whole numbers; with 3 classes"),
    ):
        with pytest.raises(TrainingError, match=sentence):
            train(
                ArrayData(images, wrong, 0.4), seed=1, epochs=1, net=Net(width=0.125, classes=3), crops={"size": 32}
            )


def test_a_loss_that_explodes_is_named():
    images, labels = striped(6)
    wild = {"learning_rate": 10, "clip": 1e30, "schedule": "constant", "weight_decay": 1.0}
    net = Net(name="unet", width=0.125, norm="batch")
    with pytest.raises(TrainingError, match="smaller learning_rate"):
        train(ArrayData(images, labels, 0.4), seed=1, epochs=1, net=net, crops={"size": 32}, batch=1, **wild)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"learning_rate": -1}, "learning_rate is -1; a learning rate is a number above 0"),
        ({"epochs": 0}, "epochs is 0; a number of epochs"),
        ({"lerning_rate": 1}, "did you mean learning_rate"),
        ({"net": {"width": 0.01}}, r"net\.width is 0\.01"),
        ({"crops": {"size": 8}}, r"crops\.size is 8"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(fields, message):
    with pytest.raises(SpecError, match=message):
        train(ArrayData(np.zeros((4, 64, 64)), np.zeros((4, 64, 64)), 0.4), seed=1, **fields)


def test_wrong_data_are_refused(tmp_path):
    four = ArrayData(*striped(4), 0.4)
    with pytest.raises(TrainingError, match="no images to train on"):
        train(ArrayData(np.zeros((0, 64, 64)), np.zeros((0, 64, 64)), 0.4), seed=1)
    with pytest.raises(TrainingError, match="smaller crop size"):
        train(ArrayData(*striped(4), 0.1), seed=1)
    with pytest.raises(TrainingError, match="data is a int"):
        train(3, seed=1)
    with pytest.raises(TrainingError, match="live training needs stored exit waves"):
        train(four, seed=1, live=True, crops={"size": 32})
    with pytest.raises(TrainingError, match="device is 'quantum'"):
        train(four, seed=1, device="quantum")


# --- a real data set ----------------------------------------------------------------------------------------------

RECIPE = """
seed: 1
structures:
  count: 5
  family: supported_particles
  field: 26
  particles: {material: Au, count: 1, radius: 6}
  film: {material: a-C, thickness: 12}
scattering: {energy: 300e3, sampling: 0.4, slice_thickness: 4, configurations: 1}
images: {per_structure: 2, defocus: {uniform: [-300, 300]}, dose: {loguniform: [200, 2000]}}
store: {waves: true, structures_per_shard: 5}
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return generate(Recipe.from_yaml(RECIPE), tmp_path_factory.mktemp("data") / "small")


def test_a_data_set_is_split_by_structure_and_learnt_from(dataset):
    network = train(dataset, seed=1, epochs=1, **SMALL)
    assert network.record["images"] == {"training": 8, "validation": 2}
    assert network.record["rule"] == "phase"
    assert network.record["data"]["recipe"]["seed"] == 1
    assert network.predict(dataset[0].image.array, 0.4).shape == dataset[0].image.array.shape


def test_images_that_no_recipe_made_are_learnt_from_and_told(dataset, tmp_path):
    again = dataset.reimage({"per_structure": 2, "dose": 800}, tmp_path / "again", seed=2)
    network = train(again, seed=1, epochs=1, **SMALL)
    (origin,) = network.record["data"]["origin"]
    assert origin["reimaged_from"]["content"] == dataset.stores[0].content()
    assert origin["images"]["dose"] == 800
    assert str(tmp_path) not in json.dumps(network.record)
    for several, why in (
        (again, "was not generated from one recipe"),
        (concat([dataset, again]), "several data sets"),
    ):
        with pytest.raises(TrainingError, match=f"{why}.*train on stored images"):
            train(several, seed=1, epochs=1, live=True, **SMALL)
    both = train(concat([dataset, again]), seed=1, epochs=1, **SMALL)
    first, second = both.record["data"]["origin"]
    assert first["recipe"]["seed"] == 1
    assert second == origin
    films = RECIPE.replace("count: 5", "count: 6\n  per_film: 2\n  side: exit").replace("waves: true", "waves: false")
    shared = generate(Recipe.from_yaml(films), tmp_path / "films")
    learn, held = partition(strangers(shared), 0.3)
    assert not set(shared.column("film_id")[learn]) & set(shared.column("film_id")[held])


def test_images_of_several_shapes_are_learnt_from_together(dataset, tmp_path):
    wide = Recipe.from_yaml(RECIPE.replace("field: 26", "field: 32").replace("count: 5", "count: 3"))
    both = concat([dataset, generate(wide, tmp_path / "wide")])
    network = train(both, seed=1, epochs=1, held_out=0.25, **SMALL)
    assert sum(network.record["images"].values()) == 16
    assert np.isfinite(network.history[0]["validation_loss"])


def test_sources_in_common_are_seen_as_often_as_they_have_images():
    crops, net = Crops(size=32, pixel_size=0.4, scale=1.0), Net(width=0.125)
    small = Stored(np.ones((3, 40, 40)), np.zeros((3, 40, 40)), 0.4, crops, net)
    large = Stored(np.ones((5, 64, 64)), np.ones((5, 64, 64)), 0.4, crops, net)
    both = Joined([small, large])
    epochs = [both.batch(step, 8, Stream(1)).labels.amax((1, 2)).tolist() for step in range(4)]
    assert all(sum(epoch) == 5 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert len(both) == 8
    later = both.batch(2, 8, Stream(1))
    assert later.labels.amax((1, 2)).tolist() == epochs[2]  # whatever was asked before
    places = [both._place(item, Stream(1)) for item in range(16)]
    assert sorted(places) == [(0, at) for at in range(6)] + [(1, at) for at in range(10)]


def test_live_training_with_shifted_validation(dataset):
    shifts = {"low dose": {"dose": 50}, "far": {"defocus": 1500}}
    network = train(dataset, seed=1, epochs=2, live=True, images_per_epoch=8, shifts=shifts, **SMALL)
    row = network.history[-1]
    assert {"validation_f1:low dose", "validation_loss:far"} <= set(row)
    assert row["step"] == 4
    again = train(dataset, seed=1, epochs=2, live=True, images_per_epoch=8, shifts=shifts, **SMALL)
    assert again.identity == network.identity


def test_a_recipe_is_generated_first(tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE.replace("waves: true", "waves: false"))
    network = train(tmp_path / "r.yaml", seed=1, epochs=1, live=True, folder=tmp_path / "t", **SMALL)
    assert (tmp_path / "t" / "data" / "catalog.parquet").exists()
    assert network.record["data"]["recipe"]["store"]["waves"]
    with pytest.raises(TrainingError, match="give a folder"):
        train(tmp_path / "r.yaml", seed=1, epochs=1, **SMALL)


def test_two_processes_share_a_step(tmp_path):
    images, labels = striped(10)
    data = ArrayData(images, labels, 0.4)
    seen = []
    options = {"seed": 3, "epochs": 1, "folder": tmp_path, "devices": 2, "device": "cpu", **SMALL}
    network = train(data, progress=seen.append, **options)
    assert network.record["run"]["devices"] == 2
    assert len(network.history) == 1
    assert (tmp_path / "checkpoint.ckpt").exists()
    assert seen[-1].done == seen[-1].total == network.record["run"]["steps"]
    with pytest.raises(TrainingError, match="multiple of 2"):
        train(data, seed=1, epochs=1, devices=2, **(SMALL | {"batch": 3}))
