from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from aiida_redoxmlp.cli.config_file import load_config
from aiida_redoxmlp.cli.hubbard_config import HubbardRunConfig
from aiida_redoxmlp.errors import ConfigurationError

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def load(tmp_path):
    content = yaml.safe_load((EXAMPLES / "hubbard-licoo2-uv.yaml").read_text(encoding="utf-8"))

    def load(**changes):
        path = tmp_path / "hubbard.yaml"
        path.write_text(yaml.safe_dump({**content, **changes}, allow_unicode=True), encoding="utf-8")
        return load_config(path, HubbardRunConfig)

    return load


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("hubbard*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid(path):
    assert load_config(path, HubbardRunConfig).structure.exists()


def test_rules_of_v_are_read(load):
    v = {"between": ["Co-3d", "O-2p"], "nearest": True, "value": 0.5}
    (rule,) = load(hubbard={"u": {"Co-3d": 5.0}, "v": [v]}).hubbard.v
    assert rule.between == ("Co-3d", "O-2p")
    assert rule.nearest
    assert rule.within is None
    assert rule.value == 0.5


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hubbard": {"u": {"Co-3d": 5.0}, "w": []}}, r"'hubbard\.w' is not known.*Allowed are projectors, u, v\."),
        (
            {"hubbard": {"u": {"Co-3d": 5.0}, "v": [{"between": ["Co-3d", "O-2p"], "nearst": True}]}},
            r"hubbard\.v\.0\.nearst.*Did you mean 'nearest'",
        ),
        ({"hubbard": {"u": {"Co-3d": 5.0}, "v": [{"between": ["Co-3d", "O-2p"]}]}}, r"hubbard\.v\.0: give either"),
        (
            {"hubbard": {"u": {"Co-3d": 5.0}, "v": [{"between": ["Co-3d", "O"], "nearest": True}]}},
            r"hubbard\.v: 'O' is no manifold",
        ),
        ({"hubbard": {"u": {"Co3d": 5.0}}}, r"hubbard\.u: 'Co3d' is no manifold; write element and shell"),
        ({"hubbard": {"u": {}}}, r"hubbard\.u: "),
        ({"codes": {"redoxmlp": "x@y"}}, r"'codes\.redoxmlp' is not known.*Allowed are pw, hp\."),
        ({"resources": {"hp": {"gpu": 1}}}, r"'resources\.hp\.gpu' is not known.*Did you mean 'gpus'"),
        ({"redox": {"low_spin": ["Co3"]}}, r"low_spin: 'Co3' is not a species; .* such as Mn3\+ or O2-(?!\.\.)"),
        ({"pattern": ["Co3+"]}, r"pattern\.0: .*integer.*'Co3\+'"),
    ],
)
def test_a_mistake_is_named_with_its_key(load, changes, told):
    with pytest.raises(ConfigurationError, match=told) as failure:
        load(**changes)
    assert "\n" not in str(failure.value)
    assert ".." not in str(failure.value)
