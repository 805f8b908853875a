import pytest

from mmseg_eff.benchmarking.titles import title_of


@pytest.mark.parametrize(
    ('name', 'title'),
    [
        ('espnet-p2q8_1xb8-558k_cityscapes-512x1024', 'ESPNet p2 q8'),
        ('espnet-c-p2q8_1xb14-319k_cityscapes-512x1024', 'ESPNet-C p2 q8'),
        ('espnetv2-s0.5_cityscapes-pre_1xb8-0.5k_camvid-360x480', 'ESPNetv2 s = 0.5'),
        ('espnetv2-s2.0_openvino', 'ESPNetv2 s = 2.0'),
        ('eseg-s_1xb16-90k_cityscapes-512x1024', 'ESeg-S'),
        ('eseg-lite-l_1xb16-90k_cityscapes-1024x1024', 'ESeg-Lite-L'),
        ('eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-360x480', 'ESeg on Lite0'),
        ('eseg-r50_1xb16-90k_cityscapes-512x1024', 'ESeg on ResNet-50'),
        ('deeplabv1-vgg16_1xb20-6k_voc12aug-321x321', 'DeepLabv1 VGG-16'),
        ('deeplabv3plus-mobilenetv2_1xb16-90k_cityscapes-769x769', 'DeepLabv3+ MobileNetV2'),
        (
            'deeplabv3plus-b1-os16_1xb16-90k_cityscapes-512x1024',
            'DeepLabv3+ EfficientNet-B1, stride 16',
        ),
        ('DeepLabV3+ MobileNetV2', 'DeepLabV3+ MobileNetV2'),
        ('my-net_1xb8', 'my-net_1xb8'),
        ('exported', 'exported'),
    ],
)
def test_titles(name, title):
    assert title_of(name) == title
