"""Arrays and texts in one file, without pickle: .npz or .h5."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from exitwave.core import ScatteringError
from exitwave.core.files import write_whole

__all__ = ["check_ending", "read", "write"]

_Arrays = dict[str, np.ndarray[Any, Any]]
_HDF5 = (".h5", ".hdf5")


def write(arrays: _Arrays, texts: dict[str, str], path: Path) -> Path:
    """Write arrays and texts to ``path``, whole or not at all, and return it."""
    check_ending(path)

    def writer(new: Path) -> None:
        if path.suffix in _HDF5:
            import h5py

            with h5py.File(new, "w") as file:
                for name, array in arrays.items():
                    file.create_dataset(name, data=array)
                file.attrs.update(texts)
        else:
            coded: dict[str, Any] = {
                f"text:{name}": np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()
            }
            with new.open("wb") as file:
                np.savez(file, allow_pickle=False, **(coded | arrays))

    return write_whole(path, writer, error=ScatteringError)


def read(path: Path) -> tuple[_Arrays, dict[str, str]]:
    """Return the arrays and texts of a file that ``write`` wrote."""
    check_ending(path)
    if not path.is_file():
        raise ScatteringError(f"there is no file {path}; give the path of a saved wave.")
    try:
        if path.suffix in _HDF5:
            import h5py

            with h5py.File(path, "r") as file:
                arrays: _Arrays = {name: file[name][()] for name in file}
                texts = {name: str(value) for name, value in file.attrs.items()}
        else:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                entries = {name: file[name] for name in file.files}
            arrays = {name: array for name, array in entries.items() if not name.startswith("text:")}
            texts = {n[5:]: a.tobytes().decode() for n, a in entries.items() if n.startswith("text:")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ScatteringError(f"{path} cannot be read as a saved wave ({error}); save it again.") from None
    if not texts.get("format", "").startswith("exitwave wave"):
        raise ScatteringError(f"{path} is no saved wave; give a file that ExitWave.save wrote.")
    return arrays, texts


def check_ending(path: Path) -> None:
    """Refuse a file whose ending is none of those in which waves are kept."""
    if path.suffix not in (".npz", *_HDF5):
        raise ScatteringError(f"path is {path}; a wave is kept in a .npz, .h5 or .hdf5 file.")
