"""mmseg's fast networks export, with random weights."""

from argparse import Namespace

import pytest
from choosing_list import rated_networks
from kept_exports import checkpoint_of, exported

from mmseg_eff.apis.demonstration import PHOTO
from mmseg_eff.benchmarking.run import make_images
from mmseg_eff.deploy.runtime_checks import REPORT, read_report

PEERS = {row.title: row.network for row in rated_networks() if not row.is_ours}


@pytest.mark.slow
@pytest.mark.parametrize('title', PEERS)
@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_a_peer_exports(tmp_path, title, backend):
    pytest.importorskip(backend.replace('onnx', 'onnxruntime'), reason='needs the extra [deploy]')
    images = make_images([PHOTO], (128, 256), tmp_path)
    args = Namespace(images=images, threads=1, limit=600, retry=False, fresh=False, keep=False)
    checkpoint, reason = checkpoint_of(PEERS[title], tmp_path, images, args.limit)
    assert not reason
    assert exported(PEERS[title], checkpoint, tmp_path / backend, args) == ''
    assert read_report(tmp_path / backend / REPORT)['agreement']['labels'] >= 0.9999
