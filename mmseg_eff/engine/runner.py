"""mmengine's runner, on processes without GPUs too."""

import datetime

import torch
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
from torch import distributed, nn

from ..errors import InputError


@RUNNERS.register_module()
class SegRunner(Runner):
    """``Runner`` with two differences; ``runner_type = 'SegRunner'`` in a config chooses it.

    - Processes without a GPU talk through gloo, whatever ``dist_cfg`` says; mmengine's runner fails
      in ``torch.cuda.set_device``. They are started by torchrun.
    - ``randomness=dict(deterministic=True)`` warns of operations that have no deterministic form
      on a GPU, instead of failing: the gradient of adaptive pooling, and the histogram in mmseg's
      ``IoUMetric``, which leaves the weights alone.

    n processes with batches of b take the same step as one process with a batch of n b where

    - the loss is a mean over all pixels, or each process counts as many: DDP averages the means of
      the processes, so one over the valid pixels weighs each of them by its process;
    - the norms do not depend on the batch, or are SyncBN, which exists on GPUs only: without one,
      SyncBN becomes plain BN with the statistics of its process, as in mmengine's single process.
      ``SyncBuffersHook`` averages their running statistics before each evaluation.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """Join the other processes, through gloo where there is no GPU.

        Raises:
            InputError: If another launcher than torchrun started processes without a GPU.
        """
        if self.distributed and not is_distributed() and get_device() == 'cpu':
            if self.launcher != 'pytorch':
                raise InputError(
                    f'launcher {self.launcher!r} needs GPUs; without one the launcher is '
                    "'pytorch', which torchrun starts"
                )
            seconds = env_cfg.get('dist_cfg', {}).get('timeout')
            timeout = None if seconds is None else datetime.timedelta(seconds=seconds)
            distributed.init_process_group('gloo', timeout=timeout)
        super().setup_env(env_cfg)

    def set_randomness(
        self, seed: int | None, diff_rank_seed: bool = False, deterministic: bool = False
    ) -> None:
        """Seed everything; ``deterministic`` as the class says."""
        super().set_randomness(seed, diff_rank_seed, deterministic)
        if deterministic:
            on_gpu = torch.cuda.is_available()
            torch.use_deterministic_algorithms(True, warn_only=on_gpu)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap a network for several processes; without a GPU, in DDP without ``device_ids``."""
        if not self.distributed or get_device() != 'cpu' or is_model_wrapper(model):
            return super().wrap_model(model_wrapper_cfg, model)
        find_unused = self.cfg.get('find_unused_parameters', False)
        wrapper = dict(broadcast_buffers=False, find_unused_parameters=find_unused)
        return MODEL_WRAPPERS.build(
            {
                'type': 'MMDistributedDataParallel',
                'module': revert_sync_batchnorm(model),
                **(model_wrapper_cfg or wrapper),
            }
        )
