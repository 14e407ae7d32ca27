"""Streams: names decide, order does not; the numbers are the same on every machine."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from exitwave.core import Stream


def test_children_are_named_by_their_path() -> None:
    stream = Stream(42) / "structure" / 17 / "image" / np.int64(3)
    assert str(stream) == "42/structure/17/image/3"
    assert stream == Stream(42, ("structure", "17", "image", "3"))
    assert Stream.parse(str(stream)) == stream
    assert pickle.loads(pickle.dumps(stream)) == stream
    assert len({stream, Stream.parse(str(stream))}) == 1


def test_the_order_of_making_and_drawing_changes_nothing() -> None:
    root = Stream(5)
    forwards = [(root / i).generator().random(3).tolist() for i in range(20)]
    backwards = [(root / i).generator().random(3).tolist() for i in reversed(range(20))]
    assert forwards == backwards[::-1]


def test_a_generator_always_starts_at_the_beginning() -> None:
    stream = Stream(5) / "noise"
    stream.generator().random(1000)
    assert stream.generator().random() == stream.generator().random()


def test_siblings_parents_and_namesakes_differ() -> None:
    streams = [
        Stream(1),
        Stream(-1),
        Stream(11),
        Stream(1) / 1,
        Stream(1) / 11,
        Stream(11) / 1,
        Stream(1) / 1 / 1,
        Stream(1) / "a" / "b",
        Stream(1) / "b" / "a",
        Stream(1) / "ab",
    ]
    assert len({stream.key() for stream in streams}) == len(streams)
    assert len({stream.uniform() for stream in streams}) == len(streams)


def test_the_numbers_are_these_on_every_machine() -> None:
    stream = Stream(42) / "structure" / 17
    assert stream.key(16) == 0x2CF65DB24923D9C45AD04105CFE1DC89
    assert stream.uniform() == 0.20792407470761087
    assert stream.integer() == 1917761096447081464
    assert stream.generator().random() == 0.18831459616806456


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    script = "from exitwave.core import Stream; print(repr((Stream(42) / 'structure' / 17).uniform()))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{(Stream(42) / 'structure' / 17).uniform()!r}\n"}


def test_uniform_never_reaches_0_or_1(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in (0, 2**64 - 1):
        monkeypatch.setattr(Stream, "key", lambda self, size=16, key=key: key)
        assert 0 < Stream(1).uniform() < 1


def test_integers_fit_the_generators_of_other_libraries() -> None:
    assert all(0 <= (Stream(1) / i).integer() < 2**63 for i in range(200))


@pytest.mark.parametrize("seed", [1.5, "7", None, True])
def test_a_seed_is_an_integer(seed: object) -> None:
    with pytest.raises(TypeError, match="a seed is an integer"):
        Stream(seed)  # type: ignore[arg-type]


def test_seeds_of_numpy_are_taken_as_python_integers() -> None:
    assert Stream(np.int32(7)) == Stream(7)
    assert type(Stream(np.int32(7)).seed) is int


@pytest.mark.parametrize("name", ["", "a/b"])
def test_a_name_has_no_slash(name: str) -> None:
    with pytest.raises(ValueError, match="a name is text without slashes"):
        Stream(1) / name
    with pytest.raises(ValueError, match="a name is text without slashes"):
        Stream(1, (name,))


@pytest.mark.parametrize("text", ["", "structure/17", "42//17", "42/"])
def test_text_that_is_no_stream_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is an integer and names, as in 42/structure/17"):
        Stream.parse(text)
