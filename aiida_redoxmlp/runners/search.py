"""``redoxmlp-run search``: rank the configurations of a space by a committee's energy."""

from __future__ import annotations

from pathlib import Path

from aiida_redoxmlp.engines.interruption import watch_for_stop
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.errors import SearchInterruptedError
from aiida_redoxmlp.runners.job_files import read_job, write_output
from aiida_redoxmlp.runners.jobs import CHECKPOINT_FOLDER
from aiida_redoxmlp.runners.progress import ProgressLog
from aiida_redoxmlp.runners.search_job import SearchJob
from aiida_redoxmlp.runners.search_output import search_output
from aiida_redoxmlp.runners.structure_file import read_structure
from aiida_redoxmlp.search.two_energies import search_space

__all__ = ("run",)


def run(folder: Path) -> None:
    """Run the search job in a folder.

    Reads ``input.json`` and what it names, writes ``checkpoints`` and ``progress.jsonl`` as it goes and ``output.json``
    at the end. Killed at any moment and run again in the same folder, it goes on.

    Args:
        folder: the job's folder.

    Raises:
        InputError: if an input file is missing or holds what is not allowed, or the checkpoints are of another search.
        ClosureError: if no configuration closes the charge.
        ModelIntegrityError: if the model's files do not match their hashes.
        SearchInterruptedError: if a signal told the search to stop.
        NoGpuError: if a GPU is asked for where none is.
    """
    log = ProgressLog(folder, "search")
    job = read_job(folder, SearchJob)
    parent = read_structure(folder / job.structure)
    lattice = None if job.lattice is None else read_structure(folder / job.lattice)
    space = job.space.space(parent, lattice)
    potential = load_potential(folder / job.model, job.settings.device)
    with watch_for_stop() as stop:
        result = search_space(
            space,
            potential,
            job.settings,
            checkpoints=folder / CHECKPOINT_FOLDER,
            on_progress=log.write,
            should_stop=lambda: bool(stop.name),
        )
    if not result.complete:
        raise SearchInterruptedError(
            f"{stop.name} stopped the search after {result.fixed.n_evaluated} evaluations; its checkpoints are whole, "
            "and a job that is given them goes on."
        )
    output = search_output(result, wall_time=log.elapsed, device=potential.device)
    write_output(folder, output)
    log.write({"event": "finished", "certainty": output.certainty.sentence})
