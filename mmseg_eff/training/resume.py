"""Set whether a training begins or goes on from a checkpoint."""

from pathlib import Path

from mmengine.config import Config

from ..engine.checkpoints import has_checkpoint


def set_resume(config: Config, resume: bool | str | Path) -> None:
    """Set ``resume`` and ``load_from`` of a config, in place.

    Args:
        config: Config of a training, with a work dir.
        resume: ``True`` goes on from the last checkpoint in the work dir, or begins, from
            ``load_from``, where there is none. A path goes on from this checkpoint. ``False``
            leaves it to the config.
    """
    config.resume = bool(resume) or config.get('resume', False)
    if isinstance(resume, str | Path):
        config.load_from = str(resume)
    elif resume:
        hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
        if has_checkpoint(config.work_dir, hook):
            config.load_from = None  # or mmengine would resume from that checkpoint
        else:
            config.resume = False
