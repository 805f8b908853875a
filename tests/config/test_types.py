import pytest
from config_files import CONFIG_FILES, read
from mmengine.config import Config

from mmseg_eff.config.types import check_types
from mmseg_eff.errors import InputError


@pytest.mark.parametrize(
    ('section', 'message'),
    [
        (dict(model='x'), "model must be a dict, got 'x'"),
        (dict(model=dict(backbone=[])), r'model\.backbone must be a dict'),
        (dict(model=dict(decode_head=5)), r'model\.decode_head must be a dict or a list of dicts'),
        (dict(model=dict(data_preprocessor=None)), r'model\.data_preprocessor must be a dict'),
        (dict(train_dataloader='x'), 'train_dataloader must be a dict'),
        (dict(train_dataloader=dict(dataset='x')), r'train_dataloader\.dataset must be a dict'),
        (dict(val_dataloader=dict(dataset=dict(pipeline=3))), r'val_dataloader.* must be a list'),
        (dict(test_pipeline='abc'), "test_pipeline must be a list, got 'abc'"),
        (dict(test_pipeline=['x']), r"test_pipeline\[0\] must be a transform, .* got 'x'"),
        (dict(test_pipeline=[dict(typ='x')]), r'test_pipeline\[0\] must be a transform'),
        (dict(a=[dict(num_classes='9')]), r"a\[0\]\.num_classes must be a whole number, got '9'"),
        (dict(default_scope=5), 'default_scope must be a string, got 5'),
        (dict(custom_hooks=dict(type='EMAHook')), 'custom_hooks must be a list'),
    ],
)
def test_sections_of_a_wrong_type(section, message):
    with pytest.raises(InputError, match=f'^{message}'):
        check_types(Config(section))


def test_absent_sections_and_the_right_types():
    dataset = dict(type='A', datasets=[dict(pipeline=None), dict(pipeline=[dict(type='B')])])
    check_types(
        Config(
            dict(
                model=dict(decode_head=[dict(num_classes=None)], neck=None),
                train_dataloader=dict(dataset=dataset),
                val_dataloader=None,
                test_evaluator=[dict(type='C')],
                tta_pipeline=[dict(type='D', transforms=[[dict(type='E')]])],
                custom_hooks=[],
            )
        )
    )


def test_configs_of_the_repository():
    assert CONFIG_FILES
    for path in CONFIG_FILES[::12]:
        check_types(read(path))
