"""``redoxmlp-run select``: choose the explored structures that DFT is asked about, and their patterns."""

from __future__ import annotations

from pathlib import Path

from aiida_redoxmlp.active_learning.exploration.frames import read_explored
from aiida_redoxmlp.active_learning.proposal import propose
from aiida_redoxmlp.dataset.file import read_dataset
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.runners.job_files import read_job, write_output
from aiida_redoxmlp.runners.progress import ProgressLog
from aiida_redoxmlp.runners.select_job import SelectJob, SelectOutput
from aiida_redoxmlp.runners.select_output import ground_states_of, select_output
from aiida_redoxmlp.runners.structure_file import read_structure

__all__ = ("run", "select_in")


def run(folder: Path) -> None:
    """Run the selection job in a folder.

    Reads ``input.json`` and what it names and writes ``output.json``.

    Args:
        folder: the job's folder.

    Raises:
        InputError: if an input file is missing or holds what is not allowed, or the committee does not tell states
            apart though the strategy needs it.
        ClosureError: if no pattern closes the charge of a structure.
        ModelIntegrityError: if the model's files do not match their hashes.
        OutputFormatError: if a file of frames is damaged.
        NoGpuError: if a GPU is asked for where none is.
    """
    log = ProgressLog(folder, "select")
    job = read_job(folder, SelectJob)
    potential = load_potential(folder / job.model, job.settings.device)
    write_output(folder, select_in(folder, job, potential, log))


def select_in(folder: Path, job: SelectJob, potential: CommitteePotential, log: ProgressLog) -> SelectOutput:
    """Select with a committee that is loaded already.

    Args:
        folder: where the files are that the job names.
        job: what is selected from, and how.
        potential: the committee.
        log: is told when the selection begins and ends; its time is that of the selection.

    Raises:
        InputError: if an input file is missing or holds what is not allowed, or the committee does not tell states
            apart though the strategy needs it.
        ClosureError: if no pattern closes the charge of a structure.
        OutputFormatError: if a file of frames is damaged.
    """
    explored = [frame for name in job.frames for frame in read_explored(folder / name)]
    labelled = () if job.dataset is None else read_dataset(folder / job.dataset)
    structures = {name: read_structure(folder / file) for name, file in job.structures.items()}
    interval = -(-len(explored) // job.settings.max_candidates) or 1
    candidates = [frame.candidate for frame in explored[::interval]]
    log.write({"event": "started", "n_explored": len(explored), "n_candidates": len(candidates)})
    proposal = propose(
        potential,
        candidates,
        job.chemistry,
        job.settings.selection,
        labelled=labelled,
        book=job.labels,
        factors=job.factors,
        belief_settings=job.settings.patterns,
    )
    thinned = (
        f"Of {len(explored)} explored frames every {interval}th is a candidate; a larger max_candidates looks at more."
    )
    output = select_output(
        proposal,
        job,
        n_explored=len(explored),
        ground_states=ground_states_of(potential, structures, job),
        warnings=[thinned] if interval > 1 else [],
        wall_time=log.elapsed,
        device=potential.device,
    )
    log.write({"event": "finished", "requests": len(output.requests)})
    return output
