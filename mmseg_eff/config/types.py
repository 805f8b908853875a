"""Check that the sections of a config have the types that mmengine, mmseg and the tools take."""

from collections.abc import Iterator, Mapping

from ..errors import InputError

Rule = tuple[tuple[type, ...], str]
DICT: Rule = (dict,), 'a dict'
LIST: Rule = (list, tuple), 'a list'
EITHER: Rule = (dict, list, tuple), 'a dict or a list of dicts'
TEXT: Rule = (str,), 'a string'
WHOLE: Rule = (int,), 'a whole number'

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
SECTIONS: Mapping[str, Rule] = {
    **dict.fromkeys(('model', 'optim_wrapper', 'default_hooks', 'env_cfg', 'randomness'), DICT),
    **dict.fromkeys(('train_cfg', 'val_cfg', 'test_cfg', 'visualizer', 'log_processor'), DICT),
    **dict.fromkeys((*LOADERS, 'tta_model'), DICT),
    **dict.fromkeys(('val_evaluator', 'test_evaluator', 'param_scheduler'), EITHER),
    **dict.fromkeys(('default_scope', 'work_dir', 'load_from'), TEXT),
    'custom_hooks': LIST,
}
OF_MODEL: Mapping[str, Rule] = {
    **dict.fromkeys(('backbone', 'neck', 'data_preprocessor', 'train_cfg', 'test_cfg'), DICT),
    **dict.fromkeys(('decode_head', 'auxiliary_head'), EITHER),
}


def check_types(config: Mapping) -> None:
    """Refuse a section of another type; ``None`` may stand for one that is absent.

    Raises:
        InputError: Names the first one by its keys.
    """
    check_keys_of(config, SECTIONS, '')
    model = config.get('model') or {}
    check_keys_of(model, OF_MODEL, 'model.')
    if 'data_preprocessor' in model:  # without one, a batch would be a list
        check_type(model['data_preprocessor'], DICT, 'model.data_preprocessor')
    for name in LOADERS:
        check_keys_of(config.get(name) or {}, {'dataset': DICT}, f'{name}.')
    for where, key, value in walk(dict(config.items()), ''):
        if key == 'num_classes' and value is not None:
            check_type(value, WHOLE, where)
        elif key == 'pipeline' or (key == where and key.endswith('_pipeline')):
            check_pipeline(value, where)


def check_keys_of(section: Mapping, rules: Mapping[str, Rule], prefix: str) -> None:
    """Check the values of a section by the rules of their keys."""
    for key, rule in rules.items():
        if section.get(key) is not None:
            check_type(section[key], rule, f'{prefix}{key}')


def check_type(value: object, rule: Rule, where: str) -> None:
    """Refuse a value that is of no type of a rule."""
    kinds, words = rule
    if not isinstance(value, kinds):
        raise InputError(f'{where} must be {words}, got {value!r:.60}')


def check_pipeline(value: object, where: str) -> None:
    """Refuse what is no list of transforms, each with a type."""
    if value is None:
        return
    check_type(value, LIST, where)
    assert isinstance(value, list | tuple)
    for index, step in enumerate(value):
        if not isinstance(step, dict) or not isinstance(step.get('type'), str | type):
            raise InputError(
                f"{where}[{index}] must be a transform, dict(type='…'), got {step!r:.60}"
            )


def walk(value: object, where: str) -> Iterator[tuple[str, str, object]]:
    """Every setting in a config: its place, its key and its value."""
    if isinstance(value, dict):
        for key, item in value.items():
            inner = f'{where}.{key}' if where else str(key)
            yield inner, str(key), item
            yield from walk(item, inner)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from walk(item, f'{where}[{index}]')
