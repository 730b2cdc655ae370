"""``status --follow``: what runs, kept up to date until it ends, and then everything."""

from __future__ import annotations

import time

from aiida import orm
from click.testing import CliRunner

from aiida_redoxmlp.cli import root
from tests.report.process_draft import ProcessDraft, end


def test_following_ends_with_the_process_and_shows_all_of_it(aiida_profile, monkeypatch):
    draft = ProcessDraft()
    campaign = draft.process(orm.WorkChainNode, "CampaignWorkChain", None, "", {})
    over = draft.process(orm.WorkChainNode, "LabelWorkChain", campaign, "relax_0", {})
    runs = draft.process(orm.WorkChainNode, "LabelWorkChain", campaign, "relax_1", {})
    end(over)
    events = iter([lambda: end(runs), lambda: end(campaign)])
    monkeypatch.setattr(time, "sleep", lambda _: next(events)())
    terminal = {"FORCE_COLOR": "1", "COLUMNS": "200"}
    answer = CliRunner(env=terminal).invoke(root, ["status", str(campaign.pk), "--follow"])
    assert answer.exit_code == 0, answer.output
    assert next(events, None) is None
    assert answer.output.count("relax_0") == 1  # at the end, as it was over before
    assert answer.output.count("relax_1") > 1
    assert f"CampaignWorkChain <{campaign.pk}>: done" in answer.output


def test_following_is_left_without_an_error(aiida_profile, monkeypatch):
    draft = ProcessDraft()
    campaign = draft.process(orm.WorkChainNode, "CampaignWorkChain", None, "", {})

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    answer = CliRunner().invoke(root, ["status", str(campaign.pk), "--follow"])
    assert (answer.exit_code, f"<{campaign.pk}>: running" in answer.output) == (0, True)
