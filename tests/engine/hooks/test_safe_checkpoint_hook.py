import errno
import itertools
import os
import random
import resource
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner, find_latest_checkpoint, save_checkpoint

from mmseg_eff.engine.checkpoints import damage
from mmseg_eff.engine.hooks.safe_checkpoint_hook import SafeCheckpointBackend, SafeCheckpointHook
from mmseg_eff.errors import InputError


class Killed(BaseException):
    pass


def saved(path, **content):
    torch.save(dict(weight=torch.arange(300.0), meta=dict(iter=1), **content), path)
    return path


def is_whole(path):
    return torch.load(path, weights_only=True)['weight'].equal(torch.arange(300.0))


def test_damage_finds_any_flipped_bit_that_matters(tmp_path):
    path = saved(tmp_path / 'a.pth')
    assert damage(path) == ''
    data, rng, outcomes = path.read_bytes(), random.Random(0), Counter()
    for position in rng.sample(range(len(data)), 150):
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        is_damaged = damage(path) != ''
        assert is_damaged or is_whole(path)
        outcomes[is_damaged] += 1
    assert outcomes[True] > outcomes[False] > 0  # the latter in dates and padding


def test_torch_alone_does_not_notice(tmp_path):
    path = saved(tmp_path / 'a.pth')
    data = path.read_bytes()
    values = torch.arange(300.0).numpy().tobytes()
    path.write_bytes(data.replace(values, values[:-1] + b'\0'))
    assert not is_whole(path)
    assert 'does not match its checksum' in damage(path)


@pytest.mark.parametrize('share', [0.0, 0.3, 0.9, 0.999])
def test_damage_finds_a_cut(tmp_path, share):
    path = saved(tmp_path / 'a.pth')
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert damage(path) == f'damaged or cut off ({int(share * len(data))} bytes)'
    assert damage(tmp_path / 'b.pth') == 'there is no such file'


def bytes_of(tmp_path, **content):
    return saved(tmp_path / 'source', **content).read_bytes()


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize('where', ['write', 'fsync', 'replace'])
def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch, number, where):
    (tmp_path / 'out').mkdir()
    path = saved(tmp_path / 'out/iter_1.pth')
    data = bytes_of(tmp_path, more=1)

    def fail(*args):
        raise OSError(number, os.strerror(number))

    target = (Path, 'write_bytes') if where == 'write' else (os, where)
    monkeypatch.setattr(*target, fail)
    with pytest.raises(InputError) as error:
        SafeCheckpointBackend().put(data, path)
    reason = f'cannot be written ({os.strerror(number)}); earlier checkpoints are untouched'
    assert str(error.value) == f'{path}: {reason}'
    assert 'more' not in torch.load(path, weights_only=True)
    assert is_whole(path)
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_takes_only_half(tmp_path):
    path = saved(tmp_path / 'iter_1.pth')
    data = bytes_of(tmp_path, more=torch.zeros(10_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) // 2, hard))
    try:
        with pytest.raises(InputError, match=r'iter_1.pth: cannot be written'):
            SafeCheckpointBackend().put(data, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert is_whole(path)
    assert not list(tmp_path.glob('.*'))


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path):
    path = saved(tmp_path / 'iter_1.pth')
    data = bytes_of(tmp_path, more=Path('a'))
    with pytest.raises(InputError, match=r'not saved, since read back it is .* would run pathlib'):
        SafeCheckpointBackend().put(data, path)
    with pytest.raises(InputError, match='not saved, since read back it is damaged or cut off'):
        SafeCheckpointBackend().put(data[:500], path)
    assert is_whole(path)


class Trainer:
    """What the hook needs of a runner, without a network."""

    _resume = False
    _load_from = None
    epoch = 0
    hook = None

    def __init__(self, work_dir):
        self.work_dir = str(work_dir)
        self.iter = 0
        self.logger = MMLogger.get_current_instance()
        self.message_hub = MessageHub(f'{work_dir}')

    def save_checkpoint(self, out_dir, filename, file_client_args=None, *, backend_args, **kwargs):
        meta = dict(iter=self.iter, epoch=0)
        checkpoint = dict(weight=torch.arange(300.0), iter=self.iter, meta=meta)
        self.hook.before_save_checkpoint(self, checkpoint)
        checkpoint['message_hub'] = self.message_hub.state_dict()
        save_checkpoint(checkpoint, f'{out_dir}/{filename}', backend_args=backend_args)

    def resume(self):
        """Go on as ``Runner.resume`` does; whether there was anything to go on from."""
        path = find_latest_checkpoint(self.work_dir)
        if path:
            checkpoint = torch.load(path, weights_only=True)
            self.message_hub.load_state_dict(checkpoint['message_hub'])
            self.iter = int(Path(path).stem.removeprefix('iter_'))
        self._resume = bool(path)
        return self._resume

    def train(self, hook, iterations, scores=()):
        """Save in each iteration; evaluate after it while there are scores."""
        self.hook = hook
        self.hooks = [hook]
        hook.before_run(self)
        hook.before_train(self)
        scores = iter(scores)
        for _ in range(iterations):
            hook._save_checkpoint(self)
            self.iter += 1
            if metrics := next(scores, None):
                hook.after_val_epoch(self, metrics)


def hook(kind=SafeCheckpointHook, **kwargs):
    return kind(interval=1, by_epoch=False, **kwargs)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != '.log')


SCORES = [dict(mIoU=score, loss=-score) for score in (1.0, 3.0, 2.0, 4.0, 4.0)]


@pytest.mark.parametrize('keep', [-1, 1, 2])
@pytest.mark.parametrize('best', [None, 'mIoU', 'auto', ['mIoU', 'loss']])
def test_leaves_what_mmengine_leaves(tmp_path, keep, best):
    folders = []
    for kind in (CheckpointHook, SafeCheckpointHook):
        folders.append(tmp_path / kind.__name__)
        folders[-1].mkdir()
        trainer = Trainer(folders[-1])
        trainer.train(hook(kind, max_keep_ckpts=keep, save_best=best), 5, SCORES)
    stock, safe = folders
    assert names(stock) == names(safe)
    assert ('best_mIoU_iter_4.pth' in names(safe)) == (best is not None)
    assert 'iter_5.pth' in names(safe)
    assert find_latest_checkpoint(str(safe)) == f'{safe}/iter_5.pth'


def kill_at(monkeypatch, number):
    """Raise ``Killed`` in place of the call ``number`` to the disk; a write leaves half a file."""
    calls = itertools.count()

    def watch(owner, name, half=lambda *args: None):
        original = getattr(owner, name)

        def call(path, *args, **kwargs):
            if name == 'unlink' and str(path).endswith('.tmp'):
                return None  # a killed process tidies nothing up
            if next(calls) == number:
                half(path, *args)
                raise Killed
            return original(path, *args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    for name in ('fsync', 'replace', 'remove', 'unlink'):
        watch(os, name)
    write = Path.write_bytes
    watch(Path, 'write_bytes', lambda path, data: write(path, data[: len(data) // 2]))


@pytest.mark.parametrize('number', range(40))
def test_a_kill_at_any_step_loses_nothing(tmp_path, number):
    arguments = dict(max_keep_ckpts=1, save_best='mIoU')
    Trainer(tmp_path).train(hook(**arguments), 1, SCORES[:1])
    trainer = Trainer(tmp_path)
    assert trainer.resume()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, number)
        trainer.train(hook(**arguments), 9, [dict(mIoU=score) for score in range(2, 11)])
    newest = Path(find_latest_checkpoint(str(tmp_path)))
    assert damage(newest) == ''
    assert is_whole(newest)
    whole = list(tmp_path.glob('iter_*.pth'))
    assert [damage(path) for path in whole] == [''] * len(whole)
    assert 1 <= len(whole) <= 2
    assert any(damage(path) == '' for path in tmp_path.glob('best_*.pth'))

    again = Trainer(tmp_path)
    assert again.resume()
    again.train(hook(**arguments), 1)
    assert len(list(tmp_path.glob('iter_*.pth'))) == 1
    assert not list(tmp_path.glob('.*'))


def before_run(work_dir, load_from=None):
    """The checkpoint that a training in the folder resumes from; ``None`` for a new one."""
    trainer = Trainer(work_dir)
    trainer._resume, trainer._load_from = True, load_from
    hook().before_run(trainer)
    return trainer._load_from and Path(trainer._load_from)


def test_resuming_from_damage_is_refused_with_advice(tmp_path):
    assert before_run(tmp_path) is None  # the first start of a training that always resumes
    Trainer(tmp_path).train(hook(), 3)
    path = tmp_path / 'iter_3.pth'
    assert before_run(tmp_path) == path
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError) as error:
        before_run(tmp_path)
    assert str(error.value) == (
        f'{path}: cannot be resumed from, damaged or cut off (100 bytes); '
        f'load_from={tmp_path}/iter_2.pth is whole'
    )
    whole = tmp_path / 'iter_2.pth'
    assert before_run(tmp_path, load_from=str(whole)) == whole
    for other in tmp_path.glob('iter_*.pth'):
        other.unlink()
    with pytest.raises(InputError, match=f'no such file; {tmp_path} has no other whole one'):
        before_run(tmp_path)


@pytest.fixture
def elsewhere(tmp_path):
    """Files and folders that belong to somebody else, each with what it holds."""
    folder = tmp_path / 'elsewhere'
    (folder / 'sub').mkdir(parents=True)
    for name in ('best_mIoU_iter_1.pth', 'iter_1.pth', 'sub/photo.png'):
        saved(folder / name)
    return folder


def tree(folder):
    """Everything below a folder, with the contents of the files."""
    return {
        path: path.read_bytes() if path.is_file() else path.is_symlink()
        for path in folder.rglob('*')
    }


def resumed(run, **info):
    """A trainer that has resumed a checkpoint which says this of its run."""
    trainer = Trainer(run)
    assert trainer.resume()
    for key, value in info.items():
        trainer.message_hub.runtime_info[key] = value
    return trainer


def hostile_best(tmp_path):
    """Values of ``best_ckpt``, made in a test's folder."""
    elsewhere, run = tmp_path / 'elsewhere', tmp_path / 'run'
    return {
        'file elsewhere': str(elsewhere / 'best_mIoU_iter_1.pth'),
        'by dots': f'{run}/../elsewhere/best_mIoU_iter_1.pth',
        'relative': '../elsewhere/best_mIoU_iter_1.pth',
        'folder elsewhere': str(elsewhere / 'sub'),
        'parent': '..',
        'self': '.',
        'root': '/',
        'empty': '',
        'the work dir': str(run),
        'folder of that name': str(run / 'best_folder_iter_2.pth'),
        'link of that name': str(run / 'best_link_iter_2.pth'),
        'dangling link': str(run / 'best_dangling_iter_2.pth'),
        'file of another program': str(run / 'best_other_iter_2.pth'),
        'text of that name': str(run / 'best_text_iter_2.pth'),
        'another name': str(run / 'photo.png'),
        'backslashes': f'{run}\\best_other_iter_2.pth',
        'line break': f'{run}/best_other_iter_2.pth\n',
        'null': 'best_\0_iter_2.pth',
        'none': None,
        'number': 5,
        'bytes': b'best_other_iter_2.pth',
        'list': [str(elsewhere / 'iter_1.pth')],
        'dict': {str(elsewhere / 'iter_1.pth'): 1},
        'path and more': (str(elsewhere / 'iter_1.pth'),),
    }


@pytest.mark.parametrize('keys', ['mIoU', ['mIoU', 'loss']], ids=['one', 'two'])
@pytest.mark.parametrize('case', hostile_best(Path('x')))
def test_what_a_checkpoint_calls_best_is_left_alone(tmp_path, elsewhere, case, keys):
    run = tmp_path / 'run'
    run.mkdir()
    Trainer(run).train(hook(), 1)
    (run / 'best_folder_iter_2.pth').mkdir()
    saved(run / 'best_folder_iter_2.pth/file')
    shutil.copy(run / 'iter_1.pth', elsewhere / 'moved.pth')  # it has the mark
    (run / 'best_link_iter_2.pth').symlink_to(elsewhere / 'moved.pth')
    (run / 'best_dangling_iter_2.pth').symlink_to(elsewhere / 'none')
    for name in ('best_other_iter_2.pth', 'best_text_iter_2.pth', 'photo.png'):
        saved(run / name)
    (run / 'best_text_iter_2.pth').write_text('text')
    before = tree(tmp_path)
    value = hostile_best(tmp_path)[case]
    names = dict(best_ckpt=value, best_ckpt_mIoU=value, best_ckpt_loss=value, last_ckpt=value)
    trainer = resumed(run, **names, best_score=0, best_score_mIoU=0, best_score_loss=0)
    trainer.train(hook(save_best=keys, published_keys='meta'), 2, SCORES)
    after = tree(tmp_path)
    changed = {path for path in before if before[path] != after.get(path)}
    assert {path.name for path in changed} <= {'last_checkpoint', 'iter_1.pth'}
    assert (run / 'best_mIoU_iter_3.pth').is_file()


@pytest.mark.parametrize(
    'value',
    [
        ['../../elsewhere/iter_1', 1],
        ['../elsewhere/iter_1.pth'] * 5,
        [5, 6, 7],  # a file, a folder and a link that are not of this run
        [-1, 10**30, 10**5000],
        [True, False, 1.0, None],
        [[5], {}],
        '5',
        5,
        None,
        {5: 6},
        (5, 6),
    ],
    ids=[*range(11)],
)
def test_steps_that_a_checkpoint_names_are_left_alone(tmp_path, elsewhere, value):
    run = tmp_path / 'run'
    run.mkdir()
    Trainer(run).train(hook(), 1)
    saved(run / 'iter_5.pth')
    (run / 'iter_6.pth').mkdir()
    shutil.copy(run / 'iter_1.pth', elsewhere / 'moved.pth')  # it has the mark
    (run / 'iter_7.pth').symlink_to(elsewhere / 'moved.pth')
    before = tree(tmp_path)
    resumed(run, keep_ckpt_ids=value).train(hook(max_keep_ckpts=1), 2)
    after = tree(tmp_path)
    changed = {path.name for path in before if before[path] != after.get(path)}
    assert changed <= {'last_checkpoint', 'iter_1.pth'}
    assert tree(elsewhere) == {path: before[path] for path in before if elsewhere in path.parents}


def test_a_folder_in_place_of_the_best_checkpoint_stays(tmp_path):
    trainer, chosen = Trainer(tmp_path), hook(save_best='mIoU')
    trainer.train(chosen, 1, SCORES[:1])
    best = tmp_path / 'best_mIoU_iter_1.pth'
    best.unlink()
    best.mkdir()
    saved(best / 'file')
    trainer.iter = 2
    chosen.after_val_epoch(trainer, dict(mIoU=9.0))
    assert (tmp_path / 'best_mIoU_iter_2.pth').is_file()
    assert (best / 'file').is_file()


def test_a_copied_folder_goes_on_with_its_own_files(tmp_path):
    """The best checkpoint of the copy goes when a better one comes; that of the original stays."""
    arguments = dict(max_keep_ckpts=1, save_best='mIoU')
    first, second = tmp_path / 'a', tmp_path / 'b'
    first.mkdir()
    Trainer(first).train(hook(**arguments), 2, SCORES[:2])
    assert names(first) == ['best_mIoU_iter_2.pth', 'iter_2.pth', 'last_checkpoint']
    shutil.copytree(first, second)
    before = tree(first)
    trainer = Trainer(second)
    trainer._resume = True
    chosen = hook(**arguments)
    trainer.hooks = [chosen]
    chosen.before_run(trainer)
    assert trainer._load_from == str(second / 'iter_2.pth')
    trainer.resume()
    trainer.train(hook(**arguments), 1, [dict(mIoU=9.0)])
    assert tree(first) == before
    assert names(second) == ['best_mIoU_iter_3.pth', 'iter_3.pth', 'last_checkpoint']


def test_checkpoints_of_another_training_stay(tmp_path):
    """A new training in a folder that has some removes none of them."""
    Trainer(tmp_path).train(hook(save_best='mIoU'), 2, SCORES)
    before = tree(tmp_path)
    trainer = Trainer(tmp_path)
    trainer.iter = 10
    trainer.train(hook(save_best='mIoU', max_keep_ckpts=1), 3, SCORES)
    assert {path: tree(tmp_path)[path] for path in before if path.suffix == '.pth'} == {
        path: before[path] for path in before if path.suffix == '.pth'
    }
    assert (tmp_path / 'iter_13.pth').is_file()
    assert not (tmp_path / 'iter_12.pth').exists()


@pytest.mark.parametrize('template', ['../{}.pth', 'sub/iter_{}.pth', '/tmp/{}.pth', 'last.pth'])
def test_templates_name_files_in_the_folder(tmp_path, template):
    with pytest.raises(ValueError, match="filename_tmpl must be a file's name with one"):
        Trainer(tmp_path).train(hook(filename_tmpl=template), 1)
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize(
    'arguments',
    [
        dict(out_dir='s3://bucket/run'),
        dict(backend_args=dict(backend='petrel')),
        dict(file_client_args=dict(backend='disk')),
    ],
)
def test_only_local_folders(tmp_path, arguments):
    with pytest.raises(ValueError, match='SafeCheckpointHook writes to a local folder'):
        hook(**arguments).before_train(Trainer(tmp_path))


class Network(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, inputs, mode):
        return dict(loss=self.layer(inputs).square().mean()) if mode == 'loss' else [0]


class Rising(BaseMetric):
    """A score that is better each time."""

    score = 0

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        self.score += 1
        return dict(mIoU=self.score)


def test_in_a_runner_with_a_folder_of_its_own(tmp_path):
    def train(max_iters, **kwargs):
        loader = dict(
            dataset=[dict(inputs=torch.ones(2))],
            batch_size=1,
            num_workers=0,
            collate_fn=dict(type='default_collate'),
        )
        runner = Runner(
            Network(),
            str(tmp_path / 'run'),
            train_dataloader=dict(**loader, sampler=dict(type='InfiniteSampler')),
            val_dataloader=dict(**loader, sampler=dict(type='DefaultSampler')),
            train_cfg=dict(by_epoch=False, max_iters=max_iters, val_interval=1),
            val_cfg=dict(),
            val_evaluator=[Rising()],
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(
                checkpoint=dict(
                    type='SafeCheckpointHook',
                    by_epoch=False,
                    interval=1,
                    max_keep_ckpts=2,
                    save_best='mIoU',
                    out_dir=str(tmp_path / 'out'),
                )
            ),
            default_scope='mmseg',
            experiment_name=f'to_{max_iters}',
            **kwargs,
        )
        runner.train()
        return runner

    out = tmp_path / 'out/run'
    first = train(3)
    assert names(out) == ['best_mIoU_iter_3.pth', 'iter_2.pth', 'iter_3.pth']
    runner = train(5, resume=True)
    assert runner.message_hub.get_scalar('train/loss').data[0].size == 5
    assert names(out) == ['best_mIoU_iter_3.pth', 'iter_4.pth', 'iter_5.pth']
    assert runner.message_hub.get_info('best_score') == 3
    assert (tmp_path / 'run/last_checkpoint').read_text() == str(out / 'iter_5.pth')
    weight = torch.load(out / 'iter_5.pth', weights_only=True)['state_dict']['layer.weight']
    assert torch.equal(weight, runner.model.layer.weight)
    assert not torch.equal(weight, first.model.layer.weight)
