from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.plugins import CalculationFactory, DataFactory
from aiida_quantumespresso.data.hubbard_structure import HubbardStructureData
from ase.io import read
from hypothesis import settings

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.testing.toy import toy_frames

settings.register_profile("redoxmlp", deadline=None)  # a busy machine is no failure
settings.load_profile("redoxmlp")

pytest_plugins = ("aiida.tools.pytest_fixtures",)

CHECKOUT = Path(__file__).parents[1]
PW_FIXTURES = Path(__file__).parent / "fixtures" / "pw"
CHEMISTRY = {"total_charge": 0, "allowed_states": {"Mn": [2, 3]}, "fixed_states": {"Li": 1, "P": 5, "O": -2}}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let one process run what shares trainings, and one all that has a daemon or SLURM, with ``--dist loadgroup``."""
    if not config.pluginmanager.has_plugin("xdist"):
        return
    for item in items:
        deployed = item.get_closest_marker("daemon") or item.get_closest_marker("slurm")
        item.add_marker(pytest.mark.xdist_group("deployment" if deployed else item.parent.nodeid))


@pytest.fixture
def chemistry() -> dict[str, Any]:
    """Charges of Li0.5MnPO4 as a user writes them."""
    return {key: value if isinstance(value, int) else dict(value) for key, value in CHEMISTRY.items()}


@pytest.fixture
def demo_atoms():
    """β-Li0.5MnPO4, 13 atoms, the two Mn first."""
    return read(CHECKOUT / "examples" / "structures" / "beta-Li0.5MnPO4.cif")


@pytest.fixture
def demo_structure(aiida_profile: Any, demo_atoms: Any) -> HubbardStructureData:
    """The same with U = 4.5 eV on both Mn."""
    structure = HubbardStructureData.from_structure(orm.StructureData(ase=demo_atoms))
    for site in (0, 1):
        structure.append_hubbard_parameter(site, "3d", site, "3d", 4.5, hubbard_type="U")
    return structure


@pytest.fixture
def make_frame(demo_atoms: Any) -> Callable[..., Frame]:
    """Factory of frames whose labels are made up, for what does not depend on their physics."""

    def make(step: int = 0, states: tuple[int, int] = (2, 3), *, group: str = "run", ambiguous: bool = False) -> Frame:
        random = np.random.default_rng([step, *states, *group.encode()])
        charges = np.array([*states, 5, -2, -2, -2, -2, 5, -2, -2, -2, -2, 1])
        displaced = demo_atoms.positions + 0.02 * random.normal(size=(13, 3))
        return Frame(
            configuration=Configuration(demo_atoms.numbers, displaced, demo_atoms.cell.array, charges),
            energy=-5430.0 + random.normal(),
            forces=random.normal(size=(13, 3)),
            stress=None,
            redox_sites=(0, 1),
            eigenvalues=(np.full((2, 5), 0.98), np.full((2, 5), 0.5)),
            confidences=np.array([0.99, 0.98]),
            margin=12.0,
            naive_closed=not ambiguous,
            ambiguous=ambiguous,
            group=group,
            step=step,
        )

    return make


@pytest.fixture
def make_calculation(aiida_profile: Any, aiida_localhost: orm.Computer) -> Callable[..., orm.CalcJobNode]:
    """Factory of stored calculation nodes with retrieved files, ready to be parsed."""

    def make(
        entry_point: str,
        retrieved: Mapping[str, bytes | str],
        inputs: Mapping[str, orm.Data] | None = None,
        **options: Any,
    ) -> orm.CalcJobNode:
        node = orm.CalcJobNode(computer=aiida_localhost, process_type=f"aiida.calculations:{entry_point}")
        node.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
        process_class = CalculationFactory(entry_point)
        for name in ("output_filename", "parser_name"):
            port = process_class.spec().inputs["metadata"]["options"].get(name)
            if port is not None and port.has_default():
                node.set_option(name, port.default)
        for name, value in options.items():
            node.set_option(name, value)
        for label, data in (inputs or {}).items():
            data.store()
            node.base.links.add_incoming(data, link_type=LinkType.INPUT_CALC, link_label=label)
        node.store()
        folder = orm.FolderData()
        for name, content in retrieved.items():
            data_bytes = content.encode() if isinstance(content, str) else content
            folder.base.repository.put_object_from_bytes(data_bytes, name)
        folder.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="retrieved")
        folder.store()
        return node

    return make


@pytest.fixture(scope="session")
def make_committee() -> Callable[..., Any]:
    """Factory of untrained MACE committees of two, as small as can be, for the species of toy frames or others."""
    pytest.importorskip("mace")
    from aiida_redoxmlp.engines.encoding import Encoding  # noqa: PLC0415 - only with the engine's packages
    from aiida_redoxmlp.engines.mace.architecture import MaceArchitecture  # noqa: PLC0415
    from aiida_redoxmlp.engines.mace.description import MaceDescription  # noqa: PLC0415
    from aiida_redoxmlp.engines.mace.network import build_network  # noqa: PLC0415
    from aiida_redoxmlp.engines.mace.potential import MaceCommittee  # noqa: PLC0415

    @cache
    def build(encoding: str, dtype: str, frames: tuple[Frame, ...], changes: tuple[tuple[str, Any], ...]) -> Any:
        known = Encoding.for_configurations(encoding, (one.configuration for one in frames or toy_frames(4)))
        small = {"r_max": 3.5, "num_channels": 4, "radial_mlp": (8,), "readout_width": 4, "num_radial_basis": 4}
        description = MaceDescription(
            versions={"mace-torch": "0.3.16"},
            encoding=known.to_dict(),
            architecture=MaceArchitecture.read({**small, **dict(changes)}),
            reference_energies=tuple(-900.0 - 10.0 * one.state for one in known.model_species),
            scale=0.7,
            shift=-0.2,
            avg_num_neighbors=9.0,
            dtype=dtype,
            training={
                "settings": {"encoding": encoding, "max_epochs": 8},
                "best_epochs": [3, 5],
                "n_training_frames": 6,
            },
        )
        networks = [build_network(description, seed=seed).requires_grad_(False).eval() for seed in (1, 2)]
        return MaceCommittee(description, tuple(networks), (1, 2))

    def make(
        encoding: str = "species", *, dtype: str = "float64", frames: tuple[Frame, ...] = (), **changes: Any
    ) -> Any:
        return build(encoding, dtype, frames, tuple(sorted(changes.items())))

    return make


@pytest.fixture
def saved_model(make_committee: Callable[..., Any], tmp_path: Path) -> Path:
    """A folder with a committee that knows Mn2+, Mn3+ and O2-."""
    folder = tmp_path / "model"
    make_committee().save(folder)
    return folder


@pytest.fixture(scope="session")
def pw_executable() -> str:
    """A pw.x 7.x: the checkout's own, or the one on the path."""
    own = CHECKOUT / ".qe" / "bin" / "pw.x"
    found = str(own) if own.exists() else shutil.which("pw.x")
    if found is None:
        pytest.skip("no pw.x: run `make setup`, or put one on the path")
    return found


@pytest.fixture(scope="session")
def pseudopotential_folder() -> Path:
    """Folder with the demonstration's UPF files."""
    folder = Path(os.environ.get("REDOXMLP_PSEUDOPOTENTIALS", CHECKOUT / ".cache" / "pseudopotentials"))
    if not list(folder.glob("*.UPF")):
        pytest.skip("no pseudopotentials: run `make setup`")
    return folder


@pytest.fixture
def pseudos(aiida_profile: Any) -> dict[str, Any]:
    """Made-up pseudopotentials of the demonstration's elements, for what does not read them."""
    upf = DataFactory("pseudo.upf")
    content = '<UPF version="2.0.1"><PP_HEADER element="{0}" z_valence="7.0"/></UPF>'
    return {one: upf(io.BytesIO(content.format(one).encode()), filename=f"{one}.upf") for one in ("Mn", "P", "O", "Li")}
