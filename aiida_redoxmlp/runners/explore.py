"""``redoxmlp-run explore``: look for structures that a committee does not know, and select what is labelled."""

from __future__ import annotations

from pathlib import Path

from aiida_redoxmlp.active_learning.exploration.exploring import Exploration, explore
from aiida_redoxmlp.active_learning.exploration.frames import write_explored
from aiida_redoxmlp.active_learning.exploration.starting_points import GivenStructure
from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.engines.interruption import watch_for_stop
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.errors import ExplorationInterruptedError
from aiida_redoxmlp.runners.explore_job import FRAMES_FILE, SELECTION_FILE, ExploreJob
from aiida_redoxmlp.runners.explore_output import explore_output
from aiida_redoxmlp.runners.job_files import read_job, write_output
from aiida_redoxmlp.runners.jobs import CHECKPOINT_FOLDER
from aiida_redoxmlp.runners.progress import ProgressLog
from aiida_redoxmlp.runners.select import select_in
from aiida_redoxmlp.runners.structure_file import read_structure

__all__ = ("hand_over", "run")


def run(folder: Path) -> None:
    """Run the exploration job in a folder.

    Reads ``input.json`` and what it names, writes ``checkpoints`` and ``progress.jsonl`` as it goes, and at the end
    ``frames.npz``, ``selection.json`` where a selection is asked for, and ``output.json``. Killed at any moment and run
    again in the same folder, it goes on.

    Args:
        folder: the job's folder.

    Raises:
        InputError: if an input file is missing or holds what is not allowed, or the checkpoints are of another
            exploration.
        ClosureError: if no pattern closes the charge of a structure.
        ModelIntegrityError: if the model's files do not match their hashes.
        ExplorationInterruptedError: if a signal told the exploration to stop.
        NoGpuError: if a GPU is asked for where none is.
    """
    log = ProgressLog(folder, "explore")
    job = read_job(folder, ExploreJob)
    structures = {
        name: GivenStructure(read_structure(folder / one.file), one.states_known)
        for name, one in job.structures.items()
    }
    potential = load_potential(folder / job.model, job.settings.device)
    with watch_for_stop() as stop:
        found = explore(
            potential,
            structures,
            job.chemistry,
            job.settings,
            checkpoints=folder / CHECKPOINT_FOLDER,
            on_progress=log.write,
            should_stop=lambda: bool(stop.name),
        )
    if not found.complete:
        output = explore_output(found, wall_time=log.elapsed, device=potential.device)
        raise ExplorationInterruptedError(
            f"{stop.name} stopped the exploration after {output.n_steps} of {output.n_steps_asked} steps; its "
            "checkpoints are whole, and a job that is given them goes on."
        )
    hand_over(folder, job, potential, found, log)


def hand_over(
    folder: Path, job: ExploreJob, potential: CommitteePotential, found: Exploration, log: ProgressLog
) -> None:
    """Write what an exploration found, and what is selected from it where that is asked for.

    Args:
        folder: the job's folder.
        job: its input.
        potential: the committee, loaded.
        found: frames and walkers.
        log: the job's progress.

    Raises:
        InputError: if a file of the selection is missing, or the committee cannot follow its strategy.
    """
    write_explored(folder / FRAMES_FILE, found.frames)
    output = explore_output(found, wall_time=log.elapsed, device=potential.device)
    if job.selection is not None and not output.went_nowhere:
        selection = select_in(folder, job.selection, potential, ProgressLog(folder, "select"))
        write_output(folder, selection, SELECTION_FILE)
    write_output(folder, output.model_copy(update={"wall_time_s": log.elapsed}))
    log.write({"event": "finished", "frames": output.n_frames, "stopped": output.n_stopped})
