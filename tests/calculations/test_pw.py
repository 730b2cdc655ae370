from __future__ import annotations

import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager

from aiida_redoxmlp.calculations.pw import RedoxPwCalculation


@pytest.mark.parametrize(("calculation", "xml_is_kept"), [("scf", True), ("relax", True), ("md", False)])
def test_what_is_bulky_is_brought_for_the_parser_only(
    demo_structure, pseudos, aiida_code_installed, calculation, xml_is_kept
):
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh([1, 1, 1])
    code = aiida_code_installed(default_calc_job_plugin="redoxmlp.pw", filepath_executable="/bin/true")
    builder = code.get_builder()
    builder.structure, builder.kpoints, builder.pseudos = demo_structure, kpoints, pseudos
    builder.parameters = orm.Dict(
        {"CONTROL": {"calculation": calculation}, "SYSTEM": {"ecutwfc": 20.0}, "ELECTRONS": {}}
    )
    builder.metadata.options.resources = {"num_machines": 1}
    process = instantiate_process(get_manager().get_runner(), RedoxPwCalculation, **builder._inputs(prune=True))
    with SandboxFolder() as folder:
        info = process.prepare_for_submission(folder)
    assert "aiida.out" not in info.retrieve_list
    assert "aiida.out" in info.retrieve_temporary_list
    assert any(name.endswith(".xml") for name in info.retrieve_list) is xml_is_kept
    assert any(str(name).endswith("schema.xml") for name in info.retrieve_temporary_list) is not xml_is_kept
