import cv2
import numpy as np
import pytest
from exported import REPORT, write_network
from helpers import FunctionSegmentor

from mmseg_eff.deploy import precision as judge
from mmseg_eff.deploy.backends import deploy_package, find_backend
from mmseg_eff.deploy.dataset_images import DatasetImage
from mmseg_eff.deploy.package import file_facts
from mmseg_eff.deploy.precision import Reduction, reduce_precision
from mmseg_eff.deploy.runtime import load_network


@pytest.fixture
def reduce_exported(tmp_path, monkeypatch):
    """A small network's way to a lower precision, its own labels in float32 being the true ones.

    Time is not measured; ``spoil`` may change the new network's file.
    """

    def reduce_exported(backend, precision, *, max_drop=30, spoil=None):
        folder = tmp_path / 'folder'
        folder.mkdir()
        write_network(folder / 'model.onnx')
        if backend == 'openvino':
            package = pytest.importorskip('openvino', reason='needs the extra [deploy]')
            package.save_model(
                deploy_package('openvino').convert_model(folder / 'model.onnx'),
                folder / 'model.xml',
                compress_to_fp16=False,
            )
            (folder / 'model.onnx').unlink()
        module = find_backend(backend)
        reduce = module.reduce

        def reduce_and_spoil(graph, folder, *given):
            changed = reduce(graph, folder, *given)
            if spoil:
                spoil(folder / changed['model'])
            return changed

        monkeypatch.setattr(module, 'reduce', reduce_and_spoil)
        monkeypatch.setattr(judge, 'latencies', lambda *_runs: (2.0, 1.0))
        facts = dict(backend=backend, model=module.MODEL, files=file_facts(folder))
        float32 = load_network(folder, {**REPORT, **facts}, 1)
        rng = np.random.default_rng(0)
        images = []
        for index in range(4):
            path = tmp_path / f'{index}.png'
            cv2.imwrite(str(path), rng.integers(0, 256, (40, 60, 3), np.uint8))
            info = dict(img_path=str(path), ignore_index=255)
            labels = float32.segment(cv2.imread(str(path)))
            images.append(DatasetImage(info, lambda _info, labels=labels: dict(gt_seg_map=labels)))
        reduction = Reduction(precision, images[:2], images[2:], max_drop)
        original = FunctionSegmentor(float32.segment)
        paths = [image.path for image in images]
        network, figures = reduce_precision(
            folder, None, float32, original, paths, reduction, threads=1
        )
        return folder, network, figures

    return reduce_exported
