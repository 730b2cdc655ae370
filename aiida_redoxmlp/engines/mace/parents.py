"""Find the foundation models a training starts from: a stored model, a file, or a name MACE's library knows."""

from __future__ import annotations

import io
import json
import warnings
from contextlib import redirect_stdout
from pathlib import Path

from aiida_redoxmlp.engines.fine_tuning import FineTuning, require_consistent_start
from aiida_redoxmlp.engines.mace.foundation import Foundation, load_foundation
from aiida_redoxmlp.engines.mace.potential import load_committee
from aiida_redoxmlp.engines.registry import MODEL_FILE
from aiida_redoxmlp.errors import InputError

with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    from mace.calculators.foundations_models import download_mace_mp_checkpoint, mace_mp_urls

__all__ = ("find_parents",)


def find_parents(
    given: Path | Foundation | None, fine_tuning: FineTuning | None, *, replay: bool = False
) -> tuple[Foundation, ...]:
    """Return the foundation models: all members of a stored committee, or the one model of a file.

    Args:
        given: folder of a model this package stored, MACE model file, or a model that is loaded already.
        fine_tuning: the settings.
        replay: whether there are frames to replay.

    Raises:
        InputError: if what is given does not fit the settings, is missing, no MACE model, newer than this package or
            of another engine, or if a name is unknown or cannot be fetched.
        ModelIntegrityError: if a stored model is not what was saved.
    """
    if isinstance(given, Foundation):
        require_consistent_start(fine_tuning, "stored", replay=replay)
        return (given,)
    stored = given is not None and given.is_dir()
    kind = None if given is None else "stored" if stored else "file"
    require_consistent_start(fine_tuning, kind, replay=replay)  # type: ignore[arg-type]  # mypy widens the literals
    if fine_tuning is None:
        return ()
    if given is not None and stored:
        return _members(given)
    path = _fetch(str(fine_tuning.foundation_name)) if given is None else given
    return (load_foundation(path, trusted=fine_tuning.trust_pickle, head=fine_tuning.head),)


def _members(folder: Path) -> tuple[Foundation, ...]:
    """Load every member of a committee this package stored."""
    try:
        engine = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8")).get("engine")
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no {MODEL_FILE}; give the folder a committee was saved to.") from error
    except (ValueError, AttributeError):
        engine = "mace"  # the loader below tells what is wrong with it
    if engine != "mace":
        raise InputError(
            f"{folder} holds a model of the engine {engine!r}, and the engine 'mace' cannot start from it; train with "
            f"engine: {engine} or give a MACE model."
        )
    committee = load_committee(folder)
    return tuple(Foundation.from_committee(committee, member) for member in range(committee.n_members))


def _fetch(name: str) -> Path:
    """Return the file of a model MACE's library knows by name, fetched where it is not there yet.

    Raises:
        InputError: for an unknown name, or where the model is not there and cannot be fetched.
    """
    if name not in mace_mp_urls:
        raise InputError(f"MACE knows no foundation model {name!r}; it knows {', '.join(mace_mp_urls)}.")
    try:
        with redirect_stdout(io.StringIO()):
            return Path(download_mace_mp_checkpoint(name))
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"The foundation model {name!r} is not on this machine and cannot be fetched ({error}); fetch "
            f"{mace_mp_urls[name]} elsewhere and give the file as the foundation."
        ) from error
