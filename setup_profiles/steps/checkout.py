"""Where everything of one checkout lives, and the environment its programs run in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ("PROFILE", "Checkout")

PROFILE = "redoxmlp"


@dataclass(frozen=True)
class Checkout:
    """The folders of one checkout; nothing outside ``root`` is written.

    Attributes:
        root: the folder that holds ``pyproject.toml``, absolute.
    """

    root: Path

    @classmethod
    def of_this_file(cls) -> Checkout:
        """The checkout this program was started from."""
        return cls(Path(__file__).resolve().parents[2])

    @property
    def setup_profiles(self) -> Path:
        """The folder with the recipes and templates."""
        return self.root / "setup_profiles"

    @property
    def venv(self) -> Path:
        """The virtual environment of the package, AiiDA and MACE."""
        return self.root / ".venv"

    @property
    def quantum_espresso(self) -> Path:
        """The virtual environment of Quantum ESPRESSO."""
        return self.root / ".qe"

    @property
    def cache(self) -> Path:
        """What can be made again: logs, stamps and pseudopotentials."""
        return self.root / ".cache"

    @property
    def logs(self) -> Path:
        """One log file a step."""
        return self.cache / "setup-logs"

    @property
    def pseudopotentials(self) -> Path:
        """The pseudopotentials made by ld1.x."""
        return self.cache / "pseudopotentials"

    @property
    def recipes(self) -> Path:
        """The ld1.x inputs and the table of cutoffs."""
        return self.setup_profiles / "pseudopotentials"

    @property
    def aiida(self) -> Path:
        """AiiDA's configuration, database, repository and work folders."""
        return self.root / ".aiida"

    @property
    def slurm(self) -> Path:
        """Configuration, state and logs of the one-machine SLURM."""
        return self.root / ".slurm"

    @property
    def slurm_conf(self) -> Path:
        """The configuration file that SLURM's clients find through ``SLURM_CONF``."""
        return self.slurm / "slurm.conf"

    def exports(self) -> dict[str, str]:
        """Variables that make ``verdi`` and ``aiida-redoxmlp`` use this checkout.

        ``SLURM_CONF`` is among them only while the one-machine SLURM is up, so that a SLURM which is already
        on the machine is not hidden otherwise.
        """
        inherited = os.environ.get("PATH", os.defpath).split(os.pathsep)
        own = [str(self.venv / "bin"), str(self.quantum_espresso / "bin")]
        path = os.pathsep.join([*own, *(entry for entry in inherited if entry not in own)])
        exports = {"AIIDA_PATH": str(self.aiida), "PATH": path}
        if self.slurm_conf.is_file():
            exports["SLURM_CONF"] = str(self.slurm_conf)
        return exports

    def environment(self) -> dict[str, str]:
        """The environment for a child process: this checkout's, whatever is active outside."""
        foreign = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if name not in foreign}
        return kept | self.exports()
