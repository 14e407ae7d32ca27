"""What importing costs, and which package may import which."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from importlib import metadata, resources
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import exitwave

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "scipy", "matplotlib", "ase", "h5py", "duckdb", "pandas", "monai", "lightning", "pydantic")


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_exitwave_is_quick_and_loads_nothing_heavy() -> None:
    script = (
        "import time; start = time.process_time(); import exitwave; took = time.process_time() - start\n"
        f"import sys; print(took, *[name for name in {HEAVY} if name in sys.modules])"
    )
    seconds, *loaded = zip(*(run(script).split() for _ in range(3)), strict=True)
    assert loaded == []
    assert min(map(float, seconds)) < 0.3


@pytest.mark.parametrize(
    "statement",
    [
        "import exitwave.core",
        "import exitwave.structure",
        "from exitwave.structure import *",
        "import exitwave.cli",
        "from typer.testing import CliRunner; from exitwave.cli.app import app; "
        "result = CliRunner().invoke(app, ['--help']); assert result.exit_code == 0, result",
    ],
)
def test_core_structure_and_help_do_without_torch(statement: str) -> None:
    run(f"import sys; sys.modules['torch'] = None  # import torch would raise\n{statement}")


@pytest.mark.parametrize("name", exitwave.__all__)
def test_every_name_of_the_table_of_contents_is_there(name: str) -> None:
    assert getattr(exitwave, name) is not None
    assert name in dir(exitwave)


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'exitwave' has no attribute 'scater'"):
        exitwave.scater  # noqa: B018


@pytest.mark.parametrize(
    "package",
    ["core", "structure", "scattering", "imaging", "labels", "dataset", "learning", "micrographs", "demo", "cli"],
)
def test_every_package_says_what_is_public(package: str) -> None:
    module = __import__(f"exitwave.{package}", fromlist=["__all__"])
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert value.__doc__, f"{package}.{name} has no docstring"


def test_types_are_shipped() -> None:
    assert resources.files("exitwave").joinpath("py.typed").is_file()


def test_versions_agree() -> None:
    assert metadata.version("exitwave") == exitwave.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == exitwave.__version__
    assert f"## [{exitwave.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": "src", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(find_spec("importlinter") is None, reason="import-linter is not installed")
@pytest.mark.parametrize(
    ("module", "line", "kept"),
    [
        ("core/units.py", "", True),
        ("core/units.py", "import exitwave.structure", False),
        ("structure/__init__.py", "import exitwave.imaging", False),
        ("labels/__init__.py", "def late():\n    import exitwave.learning", False),
        ("core/units.py", "import torch", False),
    ],
)
def test_imports_go_up_the_house_only(tmp_path: Path, module: str, line: str, kept: bool) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "src" / "exitwave" / module
    path.write_text(f"{path.read_text('utf-8')}\n\n{line}\n", "utf-8")
    result = lint(tmp_path)
    assert (result.returncode == 0) is kept, result.stdout + result.stderr
    assert ("0 broken" in result.stdout) is kept
