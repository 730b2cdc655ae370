"""Work chains at every stage of their lives."""

from __future__ import annotations

from typing import Any

import pytest

from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.dataset.labelling import frames_from_steps
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.pw_output import read_pw_output
from tests.report.campaign_draft import CHEMISTRY, ROOT, CampaignDraft
from tests.report.hubbard_draft import HubbardDraft
from tests.report.loop_draft import EMPTY, FULL, HALF, LoopDraft
from tests.report.process_draft import end


@pytest.fixture(scope="session")
def md_frames() -> tuple[Frame, ...]:
    """Eight frames of a real MD run; in the last two the charges do not close by counting."""
    table = RedoxChemistry.model_validate(CHEMISTRY).table()
    output = read_pw_output(ROOT / "tests" / "fixtures" / "pw" / "md" / "pw.out")
    return frames_from_steps(output.steps, total_charge=0, table=table, group="md").frames


@pytest.fixture(scope="module")
def finished(aiida_profile: Any, md_frames: tuple[Frame, ...]) -> CampaignDraft:
    """Two relaxations, two MD runs, one of which landed elsewhere, trainings, search, two confirmed checks."""
    draft = CampaignDraft(md_frames)
    draft.label("relax", 0, (2, 3), (2, 3), frames=slice(0, 5))
    draft.label("relax", 1, (3, 2), (3, 2), frames=slice(0, 5))
    draft.label("md", 0, (2, 3), (2, 3))
    draft.label("md", 1, (2, 3), (3, 2))
    draft.gather()
    draft.train()
    draft.evaluate()
    patterns = draft.search()
    draft.label("check", 0, (2, 3), (2, 3), frames=slice(0, 1))
    draft.label("check", 1, (3, 2), (3, 2), frames=slice(0, 1))
    draft.conclude(patterns, [[2, 3], [3, 2]])
    end(draft.node)
    return draft


@pytest.fixture(scope="module")
def halfway(aiida_profile: Any, md_frames: tuple[Frame, ...]) -> CampaignDraft:
    """A production campaign whose second label failed, and then its training."""
    draft = CampaignDraft(md_frames, protocol="balanced", label="<script>alert('Li')</script> & Co")
    draft.label("relax", 0, (2, 3), (2, 3))
    draft.label("relax", 1, (3, 2), None)
    draft.gather()
    draft.train(failed=True)
    end(draft.node, 310, "Training failed: The training diverged: loss is not a number")
    return draft


@pytest.fixture(scope="module")
def unconfirmed(aiida_profile: Any, md_frames: tuple[Frame, ...]) -> CampaignDraft:
    """A campaign whose checks both landed on the other pattern."""
    draft = CampaignDraft(md_frames)
    draft.label("relax", 0, (2, 3), (2, 3))
    draft.gather()
    draft.train()
    draft.evaluate()
    patterns = draft.search()
    draft.label("check", 0, (2, 3), (3, 2), frames=slice(0, 1), ambiguous=True)
    draft.label("check", 1, (3, 2), (2, 3), frames=slice(0, 1))
    draft.conclude(patterns, [[3, 2], [2, 3]])
    end(draft.node)
    return draft


@pytest.fixture(scope="module")
def just_started(aiida_profile: Any, md_frames: tuple[Frame, ...]) -> CampaignDraft:
    """A campaign that has only listed its patterns."""
    return CampaignDraft(md_frames)


@pytest.fixture(scope="module")
def running_checks(aiida_profile: Any, md_frames: tuple[Frame, ...]) -> CampaignDraft:
    """A campaign that has searched and waits for the second of its checks."""
    draft = CampaignDraft(md_frames)
    draft.label("relax", 0, (2, 3), (2, 3), frames=slice(0, 2))
    draft.search()
    draft.label("check", 0, (2, 3), (2, 3), frames=slice(0, 1))
    return draft


@pytest.fixture(scope="module")
def converged_u(aiida_profile: Any) -> HubbardDraft:
    """U of Mn2+ and Mn3+ over three cycles, in each of which the pattern is (2,3)."""
    draft = HubbardDraft({0: 4.5, 1: 4.5}, protocol="demo")
    for u in ({0: 3.95, 1: 5.86}, {0: 4.12, 1: 5.61}, {0: 4.10, 1: 5.66}):
        draft.cycle(u, (2, 3))
    draft.finish()
    return draft


@pytest.fixture(scope="module")
def circling_uv(aiida_profile: Any) -> HubbardDraft:
    """U and V that come back every second cycle, with a pattern that changed and then was ambiguous."""
    draft = HubbardDraft({0: 4.5, 1: 4.5}, v=0.3)
    n_pairs = len(draft.pairs)
    for cycle, (u, states) in enumerate((((4.0, 5.8), (2, 3)), ((5.6, 4.2), (3, 2)), ((4.0, 5.8), (2, 3)))):
        v = [0.4 + 0.02 * index + 0.1 * (cycle % 2) for index in range(n_pairs)]
        draft.cycle(
            dict(enumerate(u)),
            states,
            v=v,
            pattern_changed=cycle > 0,
            ambiguous=cycle == 2,
            mixing=(1.0, 1.0, 0.5)[cycle],
        )
    draft.finish(limit_cycle=2)
    return draft


@pytest.fixture(scope="module")
def running_u(aiida_profile: Any) -> HubbardDraft:
    """One cycle is closed, the second is at its linear response."""
    draft = HubbardDraft({0: 4.5, 1: 4.5})
    draft.cycle({0: 3.95, 1: 5.86}, (2, 3))
    draft.pw("scf_2_1")
    draft.pw("scf_2_2")
    draft.pw("tight_scf_2")
    draft.hp("hp_2", {0: 4.0})
    return draft


@pytest.fixture(scope="module")
def campaign_with_u(aiida_profile: Any, md_frames: tuple[Frame, ...]) -> CampaignDraft:
    """A campaign that computed U and runs its first relaxations."""
    campaign = CampaignDraft(md_frames, protocol="balanced")
    hubbard = HubbardDraft({0: 4.5, 1: 4.5}, v=0.3, caller=campaign.node)
    for u in ({0: 3.95, 1: 5.86}, {0: 4.10, 1: 5.66}, {0: 4.08, 1: 5.68}):
        hubbard.cycle(u, (2, 3), v=[0.5 + 0.001 * len(hubbard.records)] * len(hubbard.pairs))
    hubbard.finish()
    campaign.label("relax", 0, (2, 3), (2, 3), frames=slice(0, 5))
    campaign.label("relax", 1, (3, 2), (3, 2), frames=slice(0, 5))
    return campaign


LANDED = [(HALF, (2, 3), (2, 3), "landed")] * 4 + [(HALF, (3, 2), (3, 2), "landed")] * 2


@pytest.fixture(scope="module")
def converged_loop(aiida_profile: Any, md_frames: tuple[Frame, ...]) -> LoopDraft:
    """Three iterations with redox errors, an ambiguous label and one that was set aside."""
    rules = {"force_mae": 0.05, "pattern_recovery": 0.9, "uncertain_fraction": 0.3}
    draft = LoopDraft(md_frames, protocol="demo", rules=rules)
    draft.select(0.3, doubtful=0.5)
    draft.labels(9)
    wrong = [(HALF, (3, 2), (2, 3), "redox_error"), (FULL, (2, 2), (2, 2), "landed")]
    draft.close([*LANDED, *wrong, (HALF, (2, 3), None, "ambiguous")], force_error=0.16)
    draft.select(0.12, doubtful=0.3)
    draft.labels(8)
    answers = [*LANDED, (HALF, (2, 3), (3, 2), "redox_error"), (EMPTY, (3, 3), None, "failed")]
    draft.close(answers, force_error=0.09, warnings=["3 of 8 labels are asked for, as <no> more are new."])
    draft.select(0.03, doubtful=0.05)
    draft.labels(6)
    draft.close(LANDED, force_error=0.04)
    draft.finish("converged", "All stopping rules hold: the force error on fresh labels is at most 0.05 eV/Å.")
    return draft


@pytest.fixture(scope="module")
def running_loop(aiida_profile: Any) -> LoopDraft:
    """One iteration from nothing is over, the second waits for labels."""
    draft = LoopDraft(rules={"force_mae": 0.05})
    draft.labels(6)
    draft.close(LANDED, force_error=0.2)
    draft.select(0.2)
    draft.labels(1, n_running=2)
    return draft
