"""The YAML file of a campaign."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from aiida_redoxmlp.cli.foundation_config import FoundationConfig
from aiida_redoxmlp.cli.material_config import HubbardConfig, MaterialConfig
from aiida_redoxmlp.cli.resources_config import Resources, Section

__all__ = ("CampaignCodes", "CampaignConfig", "CampaignHubbardConfig", "CampaignResources")


class CampaignHubbardConfig(HubbardConfig):
    """Hubbard corrections."""

    self_consistent: bool | None = Field(
        None,
        description="Whether the campaign starts by computing U and V by linear response, from the values given here; "
        "by default it does, except under the protocol `demo`.",
    )


class CampaignCodes(Section):
    """Labels of AiiDA codes."""

    pw: str = Field("pw@localhost", description="pw.x.")
    hp: str = Field("hp@localhost", description="hp.x, on the computer of pw.x; needed for self-consistent U and V.")
    redoxmlp: str = Field("redoxmlp@localhost", description="redoxmlp-run: training, evaluation and search.")


class CampaignResources(Section):
    """Resources by job kind."""

    dft: Resources = Field(Resources(), description="Of pw.x jobs.")
    hp: Resources = Field(Resources(), description="Of hp.x jobs.")
    training: Resources = Field(Resources(), description="Of training, evaluation and search.")


class CampaignConfig(MaterialConfig):
    """Everything a campaign needs to know."""

    hubbard: CampaignHubbardConfig
    foundation: FoundationConfig = FoundationConfig()
    codes: CampaignCodes = CampaignCodes()
    resources: CampaignResources = CampaignResources()

    def relative_to(self, folder: Path) -> CampaignConfig:
        """Return the configuration with its files beside it."""
        return self.model_copy(
            update={"structure": folder / self.structure, "foundation": self.foundation.relative_to(folder)}
        )

    @property
    def computes_hubbard(self) -> bool:
        """Whether the campaign starts by computing U and V."""
        wish = self.hubbard.self_consistent
        return self.protocol != "demo" if wish is None else wish
