"""The examples in the docstrings run, and print what they say."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import exitwave

SOURCE = Path(exitwave.__file__).parent
ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    ".".join(("exitwave", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if path.name != "__main__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # what an example writes stays here
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for example in doctest.DocTestFinder().find(importlib.import_module(name), name):
        runner.run(example, compileflags=0, out=report.append)  # as a user types it: no __future__ of the module
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


PACKAGES = [
    "exitwave", "exitwave.core", "exitwave.structure", "exitwave.structure.analysis", "exitwave.structure.generators",
    "exitwave.structure.prefabs", "exitwave.structure.regions", "exitwave.scattering", "exitwave.imaging",
    "exitwave.labels", "exitwave.dataset", "exitwave.dataset.formats", "exitwave.learning", "exitwave.micrographs",
    "exitwave.micrographs.calibration", "exitwave.demo",
]  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_has_an_example(name: str) -> None:
    package = importlib.import_module(name)
    public = [getattr(package, one) for one in package.__all__]
    told = [
        one
        for one in public
        if inspect.isfunction(one) or (inspect.isclass(one) and not issubclass(one, Exception))
    ]  # fmt: skip
    assert told
    assert not [one.__name__ for one in told if ">>>" not in (one.__doc__ or "")]


@pytest.mark.parametrize("page", sorted(path.name for path in MANUAL.glob("*.rst")))
def test_the_examples_of_the_manual(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testfile(str(MANUAL / page), module_relative=False, optionflags=FLAGS, encoding="utf-8")
    assert failed == 0


def test_the_first_example_of_the_readme() -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(code) == 1
    until_the_label, _, rest = code[0].partition("data = ")
    names: dict[str, object] = {}
    exec(until_the_label.replace("configurations=8", "configurations=1"), names)
    assert repr(names["image"]) == "Micrograph(400 × 400 px, 0.2 Å/px)"
    compile(rest, "README.md", "exec")
    for name in re.findall(r"xw\.(\w+)", rest):
        assert hasattr(names["xw"], name)
