import pytest
import torch
from helpers import NORM_KEYS
from mmseg.models import ResNet

from mmseg_eff.converters.torchvision import convert_resnet, convert_vgg16
from mmseg_eff.errors import InputError
from mmseg_eff.models.backbones.vgg import AtrousVGG

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
PARAMETERS = {18: 11.69, 34: 21.80, 50: 25.56, 101: 44.55}  # M, with the classifier: torchvision


def official_resnet(depth: int) -> dict[str, torch.Tensor]:
    """torchvision's file, from its layout."""
    theirs = {}

    def conv_norm(conv: str, bn: str, *shape: int) -> None:
        theirs[f'{conv}.weight'] = torch.rand(shape, device='meta')
        theirs.update({f'{bn}.{key}': torch.rand(shape[0], device='meta') for key in NORM_KEYS})
        theirs[f'{bn}.num_batches_tracked'] = torch.tensor(0, device='meta')

    conv_norm('conv1', 'bn1', 64, 3, 7, 7)
    expansion, inputs = (4 if depth >= 50 else 1), 64
    for stage, num_blocks in enumerate(BLOCKS[depth]):
        width = 64 * 2**stage
        for index in range(num_blocks):
            block = f'layer{stage + 1}.{index}'
            if expansion == 4:
                conv_norm(f'{block}.conv1', f'{block}.bn1', width, inputs, 1, 1)
                conv_norm(f'{block}.conv2', f'{block}.bn2', width, width, 3, 3)
                conv_norm(f'{block}.conv3', f'{block}.bn3', 4 * width, width, 1, 1)
            else:
                conv_norm(f'{block}.conv1', f'{block}.bn1', width, inputs, 3, 3)
                conv_norm(f'{block}.conv2', f'{block}.bn2', width, width, 3, 3)
            if index == 0 and inputs != width * expansion:
                names = f'{block}.downsample.0', f'{block}.downsample.1'
                conv_norm(*names, width * expansion, inputs, 1, 1)
            inputs = width * expansion
    theirs['fc.weight'] = torch.rand(1000, inputs, device='meta')
    theirs['fc.bias'] = torch.rand(1000, device='meta')
    return theirs


def official_vgg() -> dict[str, torch.Tensor]:
    """torchvision's file, from its layout, with small values of its own in each kernel."""
    theirs, inputs, index = {}, 3, 0
    for width, num_layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(num_layers):
            theirs[f'features.{index}.weight'] = torch.rand(width, inputs, 3, 3)
            theirs[f'features.{index}.bias'] = torch.rand(width)
            inputs, index = width, index + 2  # and a ReLU
        index += 1  # the pool
    for index, (outputs, inputs) in {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}.items():
        theirs[f'classifier.{index}.weight'] = torch.rand(1, 1).expand(outputs, inputs)
        theirs[f'classifier.{index}.bias'] = torch.rand(outputs)
    return theirs


@pytest.mark.parametrize('depth', BLOCKS)
def test_resnet(depth):
    theirs = official_resnet(depth)
    trained = [value for key, value in theirs.items() if 'running' not in key and value.ndim]
    assert sum(map(torch.numel, trained)) / 1e6 == pytest.approx(PARAMETERS[depth], abs=0.01)
    converted, meta = convert_resnet(theirs)
    assert meta['model'] == dict(depth=depth)
    assert meta['preprocessing']['mean'] == (123.675, 116.28, 103.53)
    with torch.device('meta'):
        wanted = ResNet(depth).state_dict()
    assert {key.removeprefix('backbone.') for key in converted} == wanted.keys()


def test_resnet_from_before_norms_counted_batches():
    theirs = official_resnet(18)
    old = {key: value for key, value in theirs.items() if 'num_batches' not in key}
    assert convert_resnet(old)[0].keys() == convert_resnet(theirs)[0].keys()


def test_vgg16():
    theirs = official_vgg()
    assert sum(map(torch.numel, theirs.values())) == 138_357_544  # torchvision's documentation
    converted, meta = convert_vgg16(theirs)
    network = AtrousVGG()
    network.load_state_dict({k.removeprefix('backbone.'): v for k, v in converted.items()})
    assert torch.equal(network.features[2].weight, theirs['features.2.weight'])
    assert meta['preprocessing']['bgr_to_rgb']


def test_other_files_are_refused():
    theirs = official_resnet(50)
    with pytest.raises(InputError, match=r'ResNet-50: .*missing.* layer4\.2\.conv3\.weight'):
        convert_resnet({k: v for k, v in theirs.items() if k != 'layer4.2.conv3.weight'})
    with pytest.raises(InputError, match=r'ResNet-50: .*other shape.* conv1'):
        convert_resnet({**theirs, 'conv1.weight': torch.rand(64, 4, 7, 7)})
    with pytest.raises(InputError, match=r'^not a ResNet file: it has other blocks'):
        convert_resnet({k: v for k, v in theirs.items() if 'layer3.5' not in k})
    with pytest.raises(InputError, match=r"^not a complete file of torchvision's VGG-16: "):
        convert_vgg16(theirs)
