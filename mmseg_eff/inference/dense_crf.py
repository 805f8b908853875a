"""Dense CRF that refines the labels of DeepLab v1 and v2 (Krähenbühl and Koltun, NeurIPS 2011).

Chen et al., ICLR 2015, https://arxiv.org/abs/1412.7062, Eq. 2. Two pixels i, j at positions p and
of colours I that have different labels cost

    w1 exp(-|p_i - p_j|² / 2 sigma_alpha² - |I_i - I_j|² / 2 sigma_beta²)    appearance
    + w2 exp(-|p_i - p_j|² / 2 sigma_gamma²)                                 smoothness

and each label costs the network's -log probability. Mean field inference by pydensecrf2, on the
CPU.
"""

import inspect
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.models import BaseSegmentor
from numpy.typing import NDArray
from torch import Tensor

from ..datasets.image_reader import ImageReader, to_display
from ..errors import InputError

Refine = Callable[[NDArray[np.uint8], Tensor], NDArray[np.int64]]  # image, logits -> labels


class DenseCRF:
    """Refine the labels of an image by its colours, and measure the time that it takes.

    The defaults are those of the script that the authors published with v1's LargeFOV network. The
    papers fix w2, sigma_gamma and the iterations, and search the others for each network on 100
    validation images: in v1 w1 around 5 and 10, sigma_alpha from 50 to 100, sigma_beta from 3 to
    10; in v2 from 3 to 6, from 30 to 100 and from 3 to 6.

    Args:
        w1: Weight of the appearance kernel.
        sigma_alpha: Standard deviation of the appearance kernel in pixels.
        sigma_beta: Standard deviation of the appearance kernel in colour values (0 to 255).
        w2: Weight of the smoothness kernel.
        sigma_gamma: Standard deviation of the smoothness kernel in pixels.
        iterations: Number of mean field iterations.

    Raises:
        InputError: If a weight is negative, another number is not above 0, or the library is not
            installed.
    """

    def __init__(
        self,
        *,
        w1: float = 4,
        sigma_alpha: float = 49,
        sigma_beta: float = 5,
        w2: float = 3,
        sigma_gamma: float = 3,
        iterations: int = 10,
    ) -> None:
        for name, weight in (('w1', w1), ('w2', w2)):
            if not is_number(weight) or weight < 0:
                raise InputError(f'{name} of the CRF must be a number of 0 or more, got {weight!r}')
        sigmas = dict(sigma_alpha=sigma_alpha, sigma_beta=sigma_beta, sigma_gamma=sigma_gamma)
        for name, sigma in sigmas.items():
            if not is_number(sigma) or sigma <= 0:
                raise InputError(f'{name} of the CRF must be a number above 0, got {sigma!r}')
        if not isinstance(iterations, int) or iterations < 1:
            raise InputError(
                f'iterations of the CRF must be a whole number of 1 or more, got {iterations!r}'
            )
        self.w1, self.sigma_alpha, self.sigma_beta = w1, sigma_alpha, sigma_beta
        self.w2, self.sigma_gamma = w2, sigma_gamma
        self.iterations = iterations
        self.library = load_library()
        self.num_images, self.seconds = 0, 0.0

    def __call__(self, image: NDArray[np.uint8], logits: Tensor) -> NDArray[np.int64]:
        """Labels (H, W) of an image (H, W, 3), BGR or RGB, from its logits (C, H, W).

        Raises:
            InputError: If there is only one logit.
        """
        start = time.perf_counter()
        if len(logits) < 2:
            raise InputError('the CRF needs two or more outputs; the network has one')
        height, width = image.shape[:2]
        field = self.library.DenseCRF2D(width, height, len(logits))
        cost = -logits.float().log_softmax(0).flatten(1).cpu()  # (C, H * W)
        field.setUnaryEnergy(cost.contiguous().numpy())
        field.addPairwiseGaussian(sxy=self.sigma_gamma, compat=self.w2)
        field.addPairwiseBilateral(
            sxy=self.sigma_alpha,
            srgb=self.sigma_beta,
            rgbim=np.ascontiguousarray(image),
            compat=self.w1,
        )
        probabilities = np.asarray(field.inference(self.iterations))  # (C, H * W)
        labels = probabilities.argmax(0).reshape(height, width)
        self.num_images += 1
        self.seconds += time.perf_counter() - start
        return labels

    def timing(self) -> str:
        """One line: the mean time of an image, and the number of images."""
        mean = self.seconds / max(1, self.num_images)
        return f'dense CRF: {mean:.2f} s per image, {self.num_images} images'


def is_number(value: object) -> bool:
    """Whether an option is a finite number, True and False excluded."""
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


def load_library() -> ModuleType:
    """The module of the optional library.

    Raises:
        InputError: If it is not installed.
    """
    try:
        from pydensecrf import densecrf
    except ImportError as error:
        raise InputError(
            'the dense CRF needs pydensecrf2; install the extra [crf]: pip install -e ".[crf]"'
        ) from error
    return densecrf


def refine_predictions(model: BaseSegmentor, crf: Refine, reader: ImageReader) -> None:
    """Replace the labels of a segmentor's later predictions by a CRF's; the logits stay.

    It registers a forward hook, which runs in all that calls mmseg's ``test_step``. The image is
    read again from the sample's ``img_path``, since the network's input may be resized.

    Args:
        model: A segmentor that no model of test-time augmentation wraps.
        crf: ``DenseCRF``, or anything else that is called like it.
        reader: Reads the image as the network's dataset does.
    """

    def colors(path: str, logits: Tensor) -> NDArray[np.uint8]:
        image = to_display(reader.read(path)['img'])
        height, width = logits.shape[1:]
        is_equal = image.shape[:2] == (height, width)
        return image if is_equal else mmcv.imresize(image, (width, height))

    def refine(module: BaseSegmentor, args: tuple, kwargs: dict, output: Any) -> Any:
        if kwargs.get('mode') != 'predict':
            return output
        for sample in output:
            logits = sample.seg_logits.data  # (C, H, W)
            labels = torch.from_numpy(crf(colors(sample.img_path, logits), logits))
            sample.pred_sem_seg = PixelData(data=labels[None].to(logits.device))
        return output

    model.register_forward_hook(refine, with_kwargs=True)


def crf_parameters() -> list[str]:
    """Names of the parameters of ``DenseCRF``."""
    return list(inspect.signature(DenseCRF).parameters)
