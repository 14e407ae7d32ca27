"""Networks by name, losses, schedules, and networks on images of any size."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from exitwave.core import SpecError, TrainingError
from exitwave.learning import Ensemble, Net, Network, Normalisation, architectures, build, evaluate
from exitwave.learning.inference import probabilities, tile_starts
from exitwave.learning.losses import cross_entropy_dice
from exitwave.learning.networks import parameter_count
from exitwave.learning.schedules import learning_rate_factor


@pytest.mark.parametrize("name", architectures())
@pytest.mark.parametrize("norm", ["group", "instance", "batch"])
def test_every_architecture_gives_a_logit_per_class_and_pixel(name, norm):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = build(Net(name=name, norm=norm, width=0.25, classes=3))
    logits = network(torch.rand(2, 1, 64, 96))
    assert logits.shape == (2, 3, 64, 96)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters() if parameter.requires_grad) or (
        name == "unet++"
    )


@pytest.mark.parametrize(("width", "millions"), [(1.0, 14.3), (0.5, 3.6), (0.25, 0.9)])
def test_sizes_of_the_resnet_unet(width, millions):
    assert parameter_count(build(Net(width=width))) / 1e6 == pytest.approx(millions, rel=0.02)


def test_the_field_of_view_is_wide():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = build(Net(norm="batch")).eval()
        image = torch.rand(1, 1, 256, 256, requires_grad=True)
    network(image)[0, 0, 126:131, 126:131].sum().backward()
    rows = torch.nonzero(image.grad[0, 0].abs().sum(dim=1)).flatten()
    assert int(rows.max() - rows.min()) > 180


def test_unknown_networks_are_refused_by_name():
    with pytest.raises(SpecError, match="did you mean resnet_unet"):
        Net(name="resnet_unett")


# --- loss and schedule --------------------------------------------------------------------------------------------


def test_dice_is_pooled_over_the_batch():
    logits = torch.zeros(2, 2, 4, 4)
    labels = torch.zeros(2, 4, 4, dtype=torch.uint8)
    labels[0] = 1  # half of all pixels: p = 1/2 everywhere, so Dice is 1/2 for both classes
    assert float(cross_entropy_dice(logits, labels)) == pytest.approx(np.log(2) + 0.5, abs=1e-4)


def test_the_loss_is_float32_whatever_the_logits():
    logits = (torch.randn(1, 2, 8, 8) * 30).to(torch.bfloat16)
    assert cross_entropy_dice(logits, torch.ones(1, 8, 8)).dtype == torch.float32


def test_cosine_rises_and_falls_to_nothing():
    factors = [learning_rate_factor("cosine", step, 100, 10, 0.1) for step in range(100)]
    assert factors[9] == factors[10] == 1.0
    assert factors[0] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))
    assert factors[-1] < 0.001


def test_the_papers_schedule():
    assert learning_rate_factor("paper", 24, 250, 10, 0) == pytest.approx(0.8**2)


# --- prediction ---------------------------------------------------------------------------------------------------


def untrained(seed=1, width=0.125, **fields):
    torch.manual_seed(seed)
    net = Net(width=width, **fields)
    return Network(net, build(net).state_dict(), 0.4, Normalisation())


@pytest.mark.parametrize("shape", [(64, 64), (37, 101), (200, 130)])
@pytest.mark.parametrize("pixel_size", [0.2, 0.4, 0.61])
def test_probabilities_come_back_on_the_images_own_pixels(shape, pixel_size):
    found = untrained().predict(np.random.default_rng(1).random(shape), pixel_size)
    assert found.shape == shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1


class Bright(nn.Module):
    """Says particle where the image is bright, pixel by pixel: tiles and symmetries must not show."""

    def forward(self, image):
        return torch.cat([-image, image], dim=1)


@pytest.mark.parametrize("symmetries", [1, 4, 8])
@pytest.mark.parametrize("shape", [(300, 421), (96, 96), (1000, 70)])
def test_tiles_and_symmetries_give_what_one_piece_gives(symmetries, shape):
    image = torch.rand(*shape)
    options = {"normalisation": Normalisation(), "net": Net(), "scale": 1.0}
    whole = probabilities([Bright()], image, tile=1024, symmetries=1, **options)
    tiled = probabilities([Bright()], image, tile=128, overlap=0.25, symmetries=symmetries, **options)
    assert torch.allclose(whole, tiled, atol=1e-5)


@pytest.mark.parametrize("length", [512, 513, 700, 1024, 4096])
def test_tiles_cover_everything_with_the_overlap(length):
    starts = tile_starts(length, 512, 0.25)
    assert starts[0] == 0
    assert starts[-1] == length - 512
    assert all(b - a <= 416 for a, b in itertools.pairwise(starts))


def test_resampling_does_not_move_the_image():
    y, x = np.mgrid[:240, :240]
    image = (np.hypot(y - 80, x - 150) < 20).astype(np.float32)
    net = Net(width=0.125)
    network = Network(net, build(net).state_dict(), 0.4, Normalisation(kind="min-max"))
    network.module.forward = Bright().forward
    found = network.predict_classes(image, 0.15)[1]
    weight = found - found.min()
    assert (weight * y).sum() / weight.sum() == pytest.approx(80, abs=0.3)
    assert (weight * x).sum() / weight.sum() == pytest.approx(150, abs=0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array": np.zeros((3, 64, 64))}, "predict takes one image"),
        ({"array": np.full((64, 64), np.nan)}, "missing; fill them first"),
        ({"pixel_size": 0.0}, "pixel_size is 0.0"),
        ({"pixel_size": 0.02}, "is pixel_size in Å"),
        ({"pixel_size": 250.0}, "250 Å are too coarse"),
        ({"tile": 100}, "multiple of 32"),
        ({"overlap": 1.0}, "overlap is 1.0"),
        ({"symmetries": 3}, "symmetries is 3"),
    ],
)
def test_impossible_predictions_are_refused(change, message):
    options = {"array": np.zeros((64, 64)), "pixel_size": 0.4} | change
    with pytest.raises(TrainingError, match=message):
        untrained().predict(**options)


def test_an_ensemble_is_the_mean_and_its_spread_tells_disagreement():
    a, b = untrained(1), untrained(2)
    image = np.random.default_rng(1).random((64, 64))
    both = Ensemble([a, b])
    assert np.allclose(both.predict(image, 0.4), (a.predict(image, 0.4) + b.predict(image, 0.4)) / 2, atol=1e-6)
    assert np.allclose(both.spread(image, 0.4), abs(a.predict(image, 0.4) - b.predict(image, 0.4)) / 2, atol=1e-6)


# --- files --------------------------------------------------------------------------------------------------------


def test_a_folder_of_networks_votes_and_each_is_scored(tmp_path):
    image = np.random.default_rng(1).random((64, 64)).astype(np.float32)
    pairs = [((image, 0.4), image > 0.5), ((image[::-1], 0.4), image < 0.2)]
    networks = [Network(net, build(net).state_dict(), 0.4, Normalisation()) for net in (Net(width=0.125),) * 3]
    with pytest.raises(TrainingError, match="holds no networks"):
        Ensemble.load(tmp_path)
    networks[0].save(tmp_path / "0.safetensors")
    assert Ensemble.load(tmp_path).identity == Ensemble.load(tmp_path / "0.safetensors").identity
    for number, network in enumerate(networks):
        network.save(tmp_path / f"{number}.safetensors")
    ensemble = Ensemble.load(tmp_path)
    assert [one.identity for one in ensemble.networks] == [one.identity for one in networks]
    result = evaluate(ensemble, pairs, resamples=10)
    alone = [evaluate(one, pairs, resamples=10) for one in networks]
    for name in ("particle_f1", "mean_image_f1", "soft_macro_f1", "iou"):
        assert result.single[name].tolist() == pytest.approx([one.intervals[name].value for one in alone])
    assert np.allclose(result.images[0].probability, ensemble.predict(image, 0.4))
    assert alone[0].single.empty
    assert "Network by network" in result.report(tmp_path / "all.html").read_text()
    assert "Network by network" not in alone[0].report(tmp_path / "one.html").read_text()


def test_saved_and_loaded_it_predicts_the_same(tmp_path):
    network = untrained()
    network.record = {"seed": 3, "history": [{"loss": float("nan")}]}
    loaded = Network.load(network.save(tmp_path / "new" / "n.safetensors"))
    image = np.random.default_rng(1).random((64, 64))
    assert np.array_equal(loaded.predict(image, 0.4), network.predict(image, 0.4))
    assert loaded.record["seed"] == 3
    assert loaded.normalisation == network.normalisation
    assert loaded.identity == network.identity
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["n.safetensors"]


def test_weights_of_another_width_are_refused(tmp_path):
    small, net = untrained(), Net(width=0.25)
    with pytest.raises(TrainingError, match="another width"):
        Network(net, small.module.state_dict(), 0.4, Normalisation())
    with pytest.raises(TrainingError, match="another network"):
        Network(Net(name="unet"), small.module.state_dict(), 0.4, Normalisation())


def test_files_that_are_no_networks_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(TrainingError, match="is not there"):
        Network.load(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("no network")
    with pytest.raises(TrainingError, match="cannot be read as safetensors"):
        Network.load(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(TrainingError, match="not written by exitwave"):
        Network.load(tmp_path / "other.safetensors")
    whole = untrained().save(tmp_path / "n.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="cannot be read as safetensors"):
        Network.load(tmp_path / "cut.safetensors")


@pytest.mark.parametrize(("device", "message"), [("quantum", "it is cpu, cuda"), ("meta", "this machine has not")])
def test_devices_that_are_not_there_are_refused(tmp_path, device, message):
    network = Network(Net(width=0.125), build(Net(width=0.125)).state_dict(), 0.4, Normalisation())
    with pytest.raises(TrainingError, match=f"device is '{device}'.*{message}"):
        Network.load(network.save(tmp_path / "net.safetensors"), device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(TrainingError, match="device is 'cuda', but torch sees no GPU"):
        Network.load("general", device="cuda")
