"""Typed settings of a training that starts from a foundation model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aiida_redoxmlp.errors import InputError

__all__ = ("FineTuning", "FineTuningMode", "LayerGroup", "require_consistent_start")

FineTuningMode = Literal["naive", "frozen", "low_rank", "replay"]
LayerGroup = Literal["species", "radial", "interactions", "products", "readouts"]

_OPTIONS: dict[str, tuple[FineTuningMode, ...]] = {
    "frozen_layers": ("frozen",),
    "rank": ("low_rank",),
    "alpha": ("low_rank",),
    "train_species": ("low_rank",),
    "replay_labels": ("replay",),
    "replay_readouts": ("replay",),
    "replay_ratio": ("replay",),
    "replay_weight": ("replay",),
}
"""The modes each option belongs to."""


class FineTuning(BaseModel):
    """How a training starts from a foundation model, and what of it may change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: FineTuningMode = Field(
        "naive",
        description="'naive': every weight is trained; 'frozen': some layers keep the foundation model's weights; "
        "'low_rank': the weights' changes are matrices of low rank; 'replay': every weight is trained, on frames the "
        "foundation model knows as well, so that it forgets less.",
    )
    frozen_layers: tuple[LayerGroup, ...] = Field(
        ("radial", "interactions"),
        min_length=1,
        description="For 'frozen'. 'species': what has a row for each species; 'radial': the networks of distances; "
        "'interactions' and 'products': the other weights of messages and many-body features; 'readouts'. "
        "Embeddings of oxidation states are always trained.",
    )
    rank: int = Field(4, ge=1, description="For 'low_rank': largest rank of the change of a layer's weights.")
    alpha: float = Field(4.0, gt=0, description="For 'low_rank': the change is multiplied by alpha over rank.")
    train_species: bool = Field(
        True,
        description="For 'low_rank': train what has a row for each species whole, so that the states of an element can "
        "part; otherwise only the adapters of their embedding part them.",
    )
    replay_labels: Literal["foundation", "own"] = Field(
        "foundation",
        description="For 'replay': teach what the foundation model says of the replayed frames, or their own labels, "
        "with reference energies of their own.",
    )
    replay_readouts: Literal["shared", "own"] = Field(
        "shared",
        description="For 'replay': the replayed frames share all weights with the others, or they have readouts "
        "of their own, a second head, for labels that another functional made.",
    )
    replay_ratio: float = Field(
        1.0, gt=0, description="For 'replay': replayed frames a training frame, drawn anew every epoch."
    )
    replay_weight: float = Field(1.0, gt=0, description="For 'replay': weight of a replayed frame in the loss.")
    foundation_name: str | None = Field(
        None, description="A model the engine's library can fetch by this name, instead of one that is given."
    )
    head: str | None = Field(None, description="Head to take of a foundation model with several.")
    trust_pickle: bool = Field(
        False, description="Load a model file of another program: it is a pickle, and loading it runs the code in it."
    )

    @model_validator(mode="after")
    def _options_fit(self) -> FineTuning:
        for name, modes in _OPTIONS.items():
            if self.mode not in modes and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} belongs to the mode {' or '.join(modes)}, but the mode is {self.mode}; leave it out"
                )
        if self.foundation_name is not None and not self.trust_pickle:
            raise ValueError(
                f"the model {self.foundation_name!r} is fetched as a pickle, and loading it runs the code in it; set "
                "trust_pickle to say that you trust its source"
            )
        return self


def require_consistent_start(
    fine_tuning: FineTuning | None, foundation: Literal["stored", "file"] | None, *, replay: bool
) -> None:
    """Check that what is given to start from is what the settings ask for.

    Args:
        fine_tuning: the settings.
        foundation: a model this package stored, a file of another program, or nothing.
        replay: whether there are frames to replay.

    Raises:
        InputError: if they contradict each other.
    """
    if fine_tuning is None:
        for given, what in ((foundation is not None, "foundation model"), (replay, "replay dataset")):
            if given:
                raise InputError(
                    f"A {what} is given, but the settings have no fine_tuning; add it, such as fine_tuning: "
                    f"{{mode: {'replay' if replay else 'naive'}}}."
                )
        return
    name = fine_tuning.foundation_name
    if foundation is None and name is None:
        raise InputError("The settings ask for fine_tuning, but no foundation model is given; give one or its name.")
    if foundation is not None and name is not None:
        raise InputError(
            f"A foundation model is given, and foundation_name is {name!r} as well; leave one of them out."
        )
    if foundation == "file" and not fine_tuning.trust_pickle:
        raise InputError(
            "The foundation model is a file of another program, a pickle, and loading it runs the code in it; set "
            "fine_tuning.trust_pickle to say that you trust its source."
        )
    if foundation == "stored" and fine_tuning.head is not None:
        raise InputError(
            f"The head {fine_tuning.head!r} is asked for, but models of this package have none; leave head out."
        )
    if replay != (fine_tuning.mode == "replay"):
        raise InputError(
            "The mode replay needs a replay dataset; give the frames to replay."
            if not replay
            else f"A replay dataset is given, but the mode is {fine_tuning.mode}; set mode: replay or leave it out."
        )
