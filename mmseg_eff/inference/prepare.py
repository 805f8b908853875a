"""Prepare a model or an exported folder for prediction, and identify it for later runs."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any, TypeAlias

import torch
from mmseg.models import BaseSegmentor

from ..deploy.segmentor import ExportedSegmentor, load_export
from ..errors import InputError
from ..models.segmentors.predict_labels import predict_labels_only
from .dense_crf import DenseCRF, Refine, crf_parameters
from .predict import without_resize
from .segmentor import ImageSegmentor, Segmentor, dataset_meta

Model: TypeAlias = BaseSegmentor | ExportedSegmentor | str | Path


def prepare(
    model: Model,
    *,
    crf: Refine | None = None,
    probabilities: bool = False,
    keep_size: bool = False,
) -> tuple[Segmentor, list[str]]:
    """Make of a model what reads and labels images.

    The model stays as it is: what is changed for prediction is changed in a shallow copy, which
    shares the weights.

    Args:
        model: Segmentor with ``cfg`` in evaluation mode, an exported folder, or its path.
        crf: Refines the labels.
        probabilities: Predict probabilities, too.
        keep_size: Leave out the transforms of the test pipeline that resize the image.

    Returns:
        The segmentor, and the types of the transforms left out.

    Raises:
        InputError: If the model is neither, or cannot do what is asked for.
    """
    name = 'this one'
    if isinstance(model, str | Path):
        name = str(model)
        if not Path(model).is_dir():
            raise InputError(
                f'{model}: is no exported folder; load a network by load_model(config, checkpoint)'
            )
        model = load_export(model)
    if isinstance(model, ExportedSegmentor):
        if crf or probabilities:
            raise InputError('a CRF and probabilities need logits; an export gives labels alone')
        if keep_size and model.runtime.report['resize']:
            raise InputError(f'tiles need an export that does not resize; {name} does')
        return model, []
    if not isinstance(model, torch.nn.Module) or getattr(model, 'cfg', None) is None:
        raise InputError(
            "model must be a segmentor of load_model or of mmseg's init_model, or an exported "
            f'folder, got {type(model).__name__}'
        )
    if model.training:
        raise InputError('the model is in training mode: call eval() first')
    view: Any = copy.copy(model)
    if not getattr(view, 'dataset_meta', None):
        view.dataset_meta = dataset_meta(view.cfg)
    left_out = []
    if keep_size:
        view.cfg = copy.deepcopy(view.cfg)
        left_out = [str(step['type']) for step in without_resize(view.cfg)]
    if not crf and not probabilities:
        view = predict_labels_only(view)
    return ImageSegmentor(view, crf), left_out


def identify(segmentor: Segmentor) -> dict[str, object]:
    """What the labels of a prepared segmentor depend on, in JSON's types; equal in a later run."""
    if isinstance(segmentor, ExportedSegmentor):
        return {'export': digest_of(segmentor.runtime.report)}
    assert isinstance(segmentor, ImageSegmentor)
    from ..engine.hooks.run_record_hook import weights_hash  # it imports the parts of a training

    model, reader = segmentor.model, segmentor.reader
    return {
        'config': digest_of([model.cfg.model, reader.loading, reader.steps]),
        'weights': weights_hash(model.state_dict()),
        'crf': describe_crf(segmentor.crf),
    }


def describe_crf(crf: Refine | None) -> object:
    """Parameters of a ``DenseCRF``, or the name of another function."""
    if isinstance(crf, DenseCRF):
        return {name: getattr(crf, name) for name in crf_parameters()}
    return crf and getattr(crf, '__qualname__', type(crf).__qualname__)


def digest_of(value: object) -> str:
    """SHA-256 of nested settings, as hexadecimal digits."""
    from ..engine.fingerprint import plain

    text = json.dumps(plain(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
