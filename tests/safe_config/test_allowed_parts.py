import mmengine.registry
import pytest
from mmengine.registry import Registry

from mmseg_eff import compat
from mmseg_eff.safe_config.allowed_parts import ALLOWED, NAMES, REFUSED
from mmseg_eff.safe_config.keys import PACKAGES
from mmseg_eff.safe_config.process import load_parts


def registered(registry):
    """Names in a registry and in those below it, without what other tests register."""
    names = {
        name
        for name, part in registry.module_dict.items()
        if part.__module__.partition('.')[0] in (*PACKAGES, 'torch')
    }
    return names.union(*map(registered, registry.children.values()))


@pytest.mark.skipif(
    not compat.is_distribution('mmsegmentation'),
    reason='the fork has other parts, of which a safe config may use those of the stock packages',
)
def test_every_part_stands_in_one_of_the_tables():
    """A part that a new version registers must be looked at before a safe config may name it."""
    load_parts()
    roots = [item for item in vars(mmengine.registry).values() if isinstance(item, Registry)]
    found = {root.name: registered(root) for root in roots}
    written = {name: ALLOWED.get(name, set()) | REFUSED.get(name, {}).keys() for name in found}
    assert found == written
    assert {*ALLOWED, *REFUSED} <= found.keys() and len(NAMES) > 300


def test_no_part_stands_in_both():
    for registry, parts in REFUSED.items():
        assert not parts.keys() & NAMES, registry
