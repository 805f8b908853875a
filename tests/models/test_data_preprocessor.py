import torch
from helpers import samples

from mmseg_eff.models import MultiSizeDataPreProcessor


def batch(size=(32, 48)):
    labels = torch.randint(3, (2, *size))
    labels[:, :4] = 255
    images = [torch.randint(256, (3, *size), dtype=torch.uint8) for _ in range(2)]
    return dict(inputs=images, data_samples=samples(labels))


def test_draws_every_size_and_labels_follow():
    sizes = [(16, 24), (48, 72)]
    processor = MultiSizeDataPreProcessor(batch_sizes=sizes)
    seen = set()
    for _ in range(20):
        data = processor(batch(), training=True)
        size = tuple(data['inputs'].shape[2:])
        seen.add(size)
        assert {sample.gt_sem_seg.shape for sample in data['data_samples']} == {size}
        assert {sample.img_shape for sample in data['data_samples']} == {size}
        labels = data['data_samples'][0].gt_sem_seg.data
        assert set(labels.unique().tolist()) <= {0, 1, 2, 255}  # nothing in between
    assert seen == set(sizes)


def test_void_becomes_a_class_only_in_training():
    processor = MultiSizeDataPreProcessor(ignore_to_class=3)
    data = processor(batch(), training=True)
    assert (data['data_samples'][0].gt_sem_seg.data[0, :4] == 3).all()
    data = processor(batch(), training=False)
    assert (data['data_samples'][0].gt_sem_seg.data[0, :4] == 255).all()


def test_evaluation_is_normalised_only():
    mean, std = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    processor = MultiSizeDataPreProcessor(batch_sizes=[(8, 8)], mean=mean, std=std)
    data = batch()
    image = data['inputs'][1].float()
    expected = (image - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    torch.testing.assert_close(processor(data)['inputs'][1], expected)
