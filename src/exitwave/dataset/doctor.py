"""The doctor: is this data set whole, and is it right as physics and as statistics?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from exitwave.core import DatasetError, ExitwaveError, ShardCorruptError, counted
from exitwave.core.files import TEMPORARY
from exitwave.dataset import checks
from exitwave.dataset.dataset import Dataset
from exitwave.dataset.kept_files import damaged_files
from exitwave.dataset.rebuilt import geometry
from exitwave.dataset.remade import remade
from exitwave.dataset.repair import expected_shards, parents_needed, recipe_of
from exitwave.dataset.repair import repair as mend
from exitwave.dataset.shards import Shard, shard_name, shard_number
from exitwave.dataset.store import Store
from exitwave.dataset.verdict import Verdict

__all__ = ["Diagnosis", "doctor", "leakage"]


@dataclass(frozen=True)
class Diagnosis:
    """The verdict of every check.

    Parameters
    ----------
    verdicts
        One for each check, in order.

    Examples
    --------
    >>> found = Diagnosis((Verdict("pixels", True, "no two of 8 are equal"), Verdict("dose", None, "not known")))
    >>> found.healthy, found["pixels"].passed
    (True, True)
    >>> print(found["pixels"])
    ok   pixels: no two of 8 are equal
    """

    verdicts: tuple[Verdict, ...]

    @property
    def healthy(self) -> bool:
        """Whether no check failed."""
        return all(verdict.passed is not False for verdict in self.verdicts)

    def __getitem__(self, name: str) -> Verdict:
        for verdict in self.verdicts:
            if verdict.name == name:
                return verdict
        raise KeyError(f"{name} is no check; checks are {', '.join(item.name for item in self.verdicts)}.")

    def __str__(self) -> str:
        return "\n".join(str(verdict) for verdict in self.verdicts)


def doctor(
    folder: str | os.PathLike[str],
    *others: str | os.PathLike[str],
    repair: bool = False,
    parents: Sequence[str | os.PathLike[str]] = (),
    structures: int = 8,
    false_alarm: float = 1e-6,
    allow_code: bool = False,
) -> Diagnosis:
    """Check a data set as files, as physics and as statistics.

    Parameters
    ----------
    folder
        The data set.
    others
        Data sets that must share no structure with it: validation data, say.
    repair
        Whether to remove unfinished files, rebuild the catalog and make damaged or missing shards anew.
    parents
        The data sets that this one was saved or re-imaged from, for its repair; only what is named here is read.
    structures
        Structures whose atoms are built again for the checks that need them.
    false_alarm
        Probability that a sound data set fails any of the statistical checks.
    allow_code
        Whether a family given by import path may be imported, which runs code.

    Returns
    -------
    diagnosis
        A verdict for each check: passed, failed, or not applicable, with the numbers behind it.

    Raises
    ------
    DatasetError
        If a folder is no data set, or ``false_alarm`` no probability.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.dataset import Recipe, generate
    >>> gold = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles, field: 20,
    ...   particles: {material: Au, radius: 6}, film: null}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> folder = tempfile.mkdtemp()
    >>> generate(gold, folder).close()
    >>> found = doctor(folder, structures=1)
    >>> found.healthy
    True
    >>> print(found["records"])
    ok   records: 0 of ... samples come out differently when made again from their record
    """
    if not 0 < false_alarm < 1:
        raise DatasetError(f"false_alarm is {false_alarm:g}; it is a probability between 0 and 1, such as 1e-6.")
    where = Path(folder)
    for place in (where, *others, *parents):
        Store(place)  # refuses what is no data set
    verdicts = list(_files(where, allow_code))
    if repair and not all(verdict.passed for verdict in verdicts):
        mend(where, [Path(parent) for parent in parents], allow_code=allow_code)
        verdicts = [verdict.after_repair() for verdict in _files(where, allow_code)]
    if not all(verdict.passed for verdict in verdicts[:1]):
        return Diagnosis(tuple(verdicts))  # damaged shards: nothing further can be read
    data = Dataset(where)
    try:
        runs: list[Callable[[], Iterator[Verdict]]] = [
            lambda: checks.images(data),
            lambda: remade(data, structures, allow_code=allow_code),
            lambda: geometry(data, structures, allow_code=allow_code),
            lambda: checks.statistics(data, false_alarm, recipe_of(where, allow_code)),
            lambda: _leaks(data, others),
        ]
        for run in runs:
            verdicts += _tried(run)
    finally:
        data.close()
    return Diagnosis(tuple(verdicts))


def leakage(*parts: Dataset) -> Verdict:
    """Return whether parts share a structure, or a film, so that what is learnt from one shows in another.

    Parameters
    ----------
    parts
        Training and validation data, say.

    Returns
    -------
    Verdict
        Passed if they share neither; its text says how many they share.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.dataset import Recipe, generate
    >>> gold = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles, field: 20,
    ...   particles: {material: Au, radius: 6}, film: null}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> data = generate(gold, tempfile.mkdtemp())
    >>> train, held = data.split((0.5, 0.5), seed=1)
    >>> print(leakage(train, held))
    ok   leakage: 2 structures, none shared
    >>> print(leakage(data, held))
    FAIL leakage: in more than one part: 1 structure of 2
    """
    shared, seen = _in_several([set(part.column("structure_id").tolist()) for part in parts])
    films, _ = _in_several([set(part.films_or_structures().tolist()) for part in parts])
    text = f"in more than one part: {counted(len(shared), 'structure')} of {len(seen)}"
    if not shared:
        text = f"{counted(len(seen), 'structure')}, none shared"
        if films:
            text += f", but {counted(len(films), 'film')}; split by film"
    return Verdict("leakage", not shared and not films, text)


def _in_several(parts: Sequence[set[str]]) -> tuple[set[str], set[str]]:
    """Return what is in more than one part, and what is in any."""
    seen = set[str]().union(*parts)
    return {name for name in seen if sum(name in part for part in parts) > 1}, seen


def _leaks(data: Dataset, others: Sequence[str | os.PathLike[str]]) -> Iterator[Verdict]:
    for other in others:
        with closing(Dataset(other)) as opened:
            verdict = leakage(data, opened)
            yield replace(verdict, text=f"{other}: {verdict.text}")


def _tried(run: Callable[[], Iterator[Verdict]]) -> Iterator[Verdict]:
    try:
        yield from run()
    except MemoryError:  # says nothing of the records
        raise
    except (ExitwaveError, ValueError, KeyError, TypeError) as error:
        yield Verdict("records", False, f"the records cannot be followed ({error})")


def _files(folder: Path, allow_code: bool) -> Iterator[Verdict]:
    """Check checksums, completeness, strangers and the catalog."""
    damaged, present = [], []
    for path in sorted((folder / "shards").iterdir()):
        number = shard_number(path.name)
        if number is None:
            continue
        present.append(number)
        try:
            with Shard(path) as shard:
                shard.verify()
        except (ShardCorruptError, DatasetError) as error:
            damaged.append(str(error))
    advice = parents_needed(folder)
    text = f"{damaged[0].rstrip('.')}{advice}" if damaged else f"{len(present)} shards match their checksums"
    yield Verdict("checksums", not damaged, text)
    expected = expected_shards(folder, allow_code)
    if expected is not None:
        missing = sorted(set(range(expected)) - set(present))
        surplus = sorted(set(present) - set(range(expected)))
        text = f"all {expected} shards are there"
        if missing:
            text = f"{len(missing)} of {expected} shards are missing, the first is {shard_name(missing[0])}{advice}"
        elif surplus:
            text = f"{shard_name(surplus[0])} is not one of the {expected} shards that belong here"
        yield Verdict("completeness", not missing and not surplus, text)
    else:
        yield Verdict("completeness", None, "nothing here says how many shards there should be")
    orphans = [
        str(path.relative_to(folder))
        for path in (folder / "shards").iterdir()
        if path.name.endswith(TEMPORARY) or shard_number(path.name) is None
    ]
    text = f"{orphans[0]} belongs to no shard" if orphans else "nothing is left over from runs that were ended"
    yield Verdict("orphans", not orphans, text)
    kept, wrong = damaged_files(folder)
    if kept:
        text = wrong[0].rstrip(".") if wrong else f"{counted(kept, 'file')} of atoms as when they were copied"
        yield Verdict("files", not wrong, text)
    if damaged:
        yield Verdict("catalog", None, "it cannot be compared with damaged shards")
        return
    yield checks.catalog(folder)
