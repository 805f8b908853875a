"""mmengine's runner, on processes without GPUs too."""

import datetime
from collections.abc import Callable, Sequence

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.hooks import ProfilerHook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from mmseg.registry import DATA_SAMPLERS, LOOPS, RUNNERS
from torch import distributed, nn
from torch.utils.data import DataLoader

from ..checkpoint.io import check_for_mmengine
from ..checkpoint.safe_reading import sound
from ..errors import InputError
from .hooks import ResumeCheckHook, SafeCheckpointHook, TrainingCheckHook
from .hooks.early_eta_hook import EarlyEtaHook
from .samplers.resumable_sampler import ResumableSampler
from .start_log import one_line_of_parameters
from .train_loop import ResumableEpochBasedTrainLoop

DATA_PARALLEL = ((r'^module.', ''),)  # mmengine's default of ``revise_keys``


@RUNNERS.register_module()
class SegRunner(Runner):
    """``Runner`` with these differences; ``runner_type = 'SegRunner'`` in a config chooses it.

    - Processes without a GPU talk through gloo, whatever ``dist_cfg`` says; mmengine's runner fails
      in ``torch.cuda.set_device``. They are started by torchrun.
    - ``randomness=dict(deterministic=True)`` warns of operations that have no deterministic form
      on a GPU, instead of failing: the gradient of adaptive pooling, and the histogram in mmseg's
      ``IoUMetric``, which leaves the weights alone.
    - A training by epochs with ``ResumableSampler`` runs in ``ResumableEpochBasedTrainLoop``.
    - ``TrainingCheckHook`` and ``ResumeCheckHook`` check each training before it starts.
    - A checkpoint that a check has read is not read again, and one whose states do not fit is one
      line.
    - What ``paramwise_cfg`` gives to the parameters is one line of the log.
    - A training that ends by an error ends its profiler: left running, it crashes Python at exit.

    n processes with batches of b take the same step as one process with a batch of n b where

    - the loss is a mean over all pixels, or each process counts as many: DDP averages the means of
      the processes, so one over the valid pixels weighs each of them by its process;
    - the norms do not depend on the batch, or are SyncBN, which exists on GPUs only: without one,
      SyncBN becomes plain BN with the statistics of its process, as in mmengine's single process.
      ``SyncBuffersHook`` averages their running statistics before each evaluation.
    """

    _checked: tuple[str, object] | None = None  # name and content of a checkpoint read by a check

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

    def register_hooks(
        self, default_hooks: dict | None = None, custom_hooks: list | None = None
    ) -> None:
        """Register the config's hooks and the checks of a training."""
        super().register_hooks(default_hooks, custom_hooks)
        register_checks(self)

    def train(self) -> nn.Module:
        """Train, as mmengine's runner does."""
        try:
            return super().train()
        except BaseException:
            hooks = [hook for hook in self.hooks if isinstance(hook, ProfilerHook)]
            for hook in hooks:
                if hasattr(hook, 'profiler') and not hook._closed:
                    hook.profiler.stop()
            raise

    def keep_checkpoint(self, filename: str, content: object) -> None:
        """Keep what a check has read of a checkpoint, for the next ``load_checkpoint``.

        Args:
            filename: What the runner will load, such as its ``load_from``.
            content: Of ``checkpoint.read_pth`` or ``read_checkpoint``, on the CPU.
        """
        self._checked = filename, content

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable = 'cpu',
        strict: bool = False,
        revise_keys: Sequence[tuple[str, str]] = DATA_PARALLEL,
    ) -> dict:
        """Load a checkpoint as mmengine's runner does, or what ``keep_checkpoint`` got of it.

        That stays on the CPU: network and optimizer copy their states to their own devices.
        """
        (name, content), self._checked = self._checked or ('', None), None
        if name != filename:
            return super().load_checkpoint(filename, map_location, strict, revise_keys)
        content = check_for_mmengine(sound(content, filename), filename)
        self.call_hook('after_load_checkpoint', checkpoint=content)
        checkpoint = _load_checkpoint_to_model(
            network_of(self), content, strict, revise_keys=revise_keys
        )
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | Callable = 'default',
    ) -> None:
        """Resume as mmengine's runner does.

        Raises:
            InputError: If the states in the checkpoint do not fit, or are none.
        """
        try:
            super().resume(filename, resume_optimizer, resume_param_scheduler, map_location)
        except (InputError, OSError):
            raise
        except Exception as error:  # of code that takes a state for granted
            reason = f'{type(error).__name__}: {str(error)[:200]!r}'
            raise InputError(f'{filename}: cannot be resumed from ({reason})') from error

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop, for epochs of one of our samplers the one that ends and resumes them.

        Raises:
            InputError: If ``train_cfg`` mixes a training by epochs and one by iterations.
        """
        if isinstance(loop, dict):
            kind = kind_of_loop(loop)
            if kind is EpochBasedTrainLoop and issubclass(
                kind_of_sampler(self._train_dataloader), ResumableSampler
            ):
                name = ResumableEpochBasedTrainLoop.__name__
                print_log(f'the epochs run in {name}, since the sampler is ours', logger='current')
                loop = {key: value for key, value in loop.items() if key != 'by_epoch'}
                loop['type'] = name
        return super().build_train_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: Config | OptimWrapper | dict) -> OptimWrapper:
        """Build the optimizer, with one line of the log for the settings of its parameters."""
        with one_line_of_parameters(self.logger):
            return super().build_optim_wrapper(optim_wrapper)

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


def register_checks(runner: Runner) -> None:
    """Give a runner the hooks that check a training before it starts, unless it has them."""
    kinds = {type(hook) for hook in runner.hooks}
    if TrainingCheckHook not in kinds:
        runner.register_hook(TrainingCheckHook())
    if not {ResumeCheckHook, SafeCheckpointHook} & kinds:
        runner.register_hook(ResumeCheckHook())
    if EarlyEtaHook not in kinds:
        runner.register_hook(EarlyEtaHook())


def kind_of_loop(loop: dict) -> type | None:
    """Class of the train loop that a config describes; ``None`` for an unknown one.

    Raises:
        InputError: If it names neither, or mixes a training by epochs and one by iterations.
    """
    if not {'type', 'by_epoch'} & loop.keys():
        raise InputError(
            "train_cfg must name its type: 'ResumableIterBasedTrainLoop' with max_iters or "
            "'EpochBasedTrainLoop' with max_epochs"
        )
    if 'by_epoch' in loop:
        kind = EpochBasedTrainLoop if loop['by_epoch'] else IterBasedTrainLoop
    else:
        kind = LOOPS.get(loop['type']) if isinstance(loop['type'], str) else loop['type']
    if not isinstance(kind, type) or not issubclass(kind, EpochBasedTrainLoop | IterBasedTrainLoop):
        return kind
    unit, other = ('epochs', 'max_iters')
    if not issubclass(kind, EpochBasedTrainLoop):
        unit, other = ('iters', 'max_epochs')
    wrong = 'type' if {'type', 'by_epoch'} <= loop.keys() else other
    if wrong in loop:
        name = kind.__name__
        raise InputError(
            f'train_cfg: {name} takes max_{unit} and no {wrong}={loop[wrong]!r}: write train_cfg='
            f"dict(_delete_=True, type='{name}', max_{unit}=…), so that nothing of the base stays"
        )
    return kind


def kind_of_sampler(loader: DataLoader | dict) -> type:
    """Class of the sampler of a data loader or its config."""
    if isinstance(loader, DataLoader):
        return type(loader.sampler)
    sampler = (loader or {}).get('sampler')
    kind = sampler.get('type') if isinstance(sampler, dict) else type(sampler)
    kind = DATA_SAMPLERS.get(kind) if isinstance(kind, str) else kind
    return kind if isinstance(kind, type) else object


def network_of(runner: Runner) -> nn.Module:
    """The runner's network without its wrapper for several processes."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
