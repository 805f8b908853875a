import pytest
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS, init_default_scope

from mmseg_eff.registry import ALIASES

PARTS = [
    (MODELS, 'ESPNet'),
    (MODELS, 'EncoderDecoder'),
    (MODELS, 'BN'),
    (DATASETS, 'CamVidDataset'),
    (DATASETS, 'CityscapesDataset'),
    (TRANSFORMS, 'LoadCheckedAnnotations'),
    (TRANSFORMS, 'LoadCheckedImage'),
    (METRICS, 'CheckedIoUMetric'),
    (HOOKS, 'SegVisualizationHook'),
    (HOOKS, 'IterTimerHook'),
]


@pytest.mark.parametrize(
    ('registry', 'name'), PARTS, ids=lambda value: getattr(value, 'name', value)
)
def test_scopes_find_the_same_class(registry, name):
    found = []
    for scope in ('mmseg', 'mmseg_eff'):
        with registry.switch_scope_and_registry(scope) as node:
            assert node.scope == scope
            found.append(node.get(name))
    assert found[0] is found[1] is not None


def test_every_registry_of_mmseg_has_its_alias():
    import mmseg.registry

    assert len(ALIASES) == len(mmseg.registry.__all__) > 15
    assert {alias.scope for alias in ALIASES} == {'mmseg_eff'}


def test_prefix_in_another_scope():
    init_default_scope('mmengine')
    assert MODELS.get('mmseg_eff.ESPNet').__name__ == 'ESPNet'


def test_unknown_name_is_an_error():
    with pytest.raises(KeyError, match='NoSuchNet is not in the'):
        MODELS.build(dict(type='NoSuchNet', _scope_='mmseg_eff'))
