"""Find the datasets inside wrappers such as ``ConcatDataset``, in a config."""

from collections.abc import Iterator

from mmengine.config import ConfigDict


def innermost_datasets(config: ConfigDict) -> Iterator[ConfigDict]:
    """The config of a dataset itself, or the configs of all datasets inside a wrapper."""
    inner = config.get('datasets') or ([config.dataset] if 'dataset' in config else [])
    for item in inner:
        yield from innermost_datasets(item)
    if not inner:
        yield config


def pipelines_of(config: ConfigDict) -> list[list[dict]]:
    """The pipeline of each innermost dataset: its own, else that of the outermost wrapper."""
    outermost = config.get('pipeline') or []
    return [list(inner.get('pipeline') or outermost) for inner in innermost_datasets(config)]
