"""Configs whose syntax is plain data and whose values would run, fetch or write something."""

import inspect
import re
import time

import pytest
from helpers import parsed
from mmengine.runner import Runner
from watch import watch

from mmseg_eff.commands._cli import add_runner_arguments, read_config_of, tool
from mmseg_eff.errors import InputError
from mmseg_eff.safe_config.allowed_parts import SECTIONS, VARIABLES
from mmseg_eff.safe_config.keys import DOWNLOAD
from mmseg_eff.safe_config.reader import read_safe_config

NAME = r'expected the plain name of a part'
OUTSIDE = 'outside the work dir'
SYSTEM = "padding_mode='os.system', padding='touch ran'"
FCN = "type='FCNHead', in_channels=8, channels=8, num_classes=2"
CASES = [  # name, config, what the error says after the file
    # names of parts
    ('dotted padding_mode', f"model = dict(type='ConvModule', {SYSTEM})", 'model.padding_mode: '),
    ('plain padding_mode', "model = dict(padding_mode='antigravity')", 'model.padding_mode: '),
    ('dotted type', "model = dict(type='os.system', command='touch ran')", f'model.type: .*{NAME}'),
    ('module as type', "model = dict(backbone=dict(type='antigravity'))", 'model.backbone.type: '),
    ('own module as type', "model = dict(type='evil')", 'model.type: '),
    ('type in a list', "custom_hooks = [dict(type='subprocess.run')]", r'custom_hooks\.0\.type: '),
    ('deep type', f"model = dict({FCN}, norm_cfg=dict(type='a.b'))", r'model\.norm_cfg\.type: '),
    ('act_cfg', f"model = dict({FCN}, act_cfg=dict(type='pty.spawn'))", r'model\.act_cfg\.type: '),
    ('conv_cfg', f"model = dict({FCN}, conv_cfg=dict(type='x.y'))", r'model\.conv_cfg\.type: '),
    ('scope in a type', "model = dict(type='mmseg.EncoderDecoder')", 'model.type: '),
    ('other scope', "model = dict(type='mmdet.MaskRCNN')", 'model.type: '),
    ('type with a slash', "model = dict(type='../evil')", 'model.type: '),
    ('type is a number', 'model = dict(type=1)', 'model.type: 1'),
    ('type is none', 'model = dict(type=None)', 'model.type: None'),
    ('type is a dict', "model = dict(type=dict(type='FCNHead'))", 'model.type: .*expected no dict'),
    ('type is a list', "model = dict(type=['FCNHead'])", 'model.type: '),
    ('misspelt type', "model = dict(type='EncoderDecodr')", 'did you mean EncoderDecoder'),
    (
        'ema_type',
        "custom_hooks = [dict(type='EMAHook', ema_type='torch.hub.load')]",
        r'0\.ema_type',
    ),
    (
        'resize_type',
        "train_pipeline = [dict(type='RandomResize', scale=(8, 8), resize_type='os.system')]",
        r'train_pipeline\.0\.resize_type: ',
    ),
    ('constructor', "optim_wrapper = dict(constructor='os.system')", r'optim_wrapper\.constructor'),
    ('runner_type', "runner_type = 'os.system'", 'runner_type: '),
    ('other runner', "runner_type = 'FlexibleRunner'", 'builds strategies'),
    ('conv_type', "model = dict(conv_type='torch.hub.load')", 'model.conv_type: '),
    ('optimizer', "optim_wrapper = dict(optimizer=dict(type='os.system'))", r'optimizer\.type: '),
    (
        'optimizer by name',
        "optim_wrapper = dict(optimizer=dict(type='ZeroRedundancyOptimizer', optimizer_type='x'))",
        'calls what its optimizer_type names',
    ),
    ('sampler', "train_dataloader = dict(sampler=dict(type='runpy.run_path'))", r'sampler\.type: '),
    (
        'collate_fn',
        "train_dataloader = dict(collate_fn=dict(type='os.system'))",
        r'train_dataloader\.collate_fn\.type: ',
    ),
    ('collate_fn as text', "val_dataloader = dict(collate_fn='os.system')", 'collate_fn: '),
    (
        'worker_init_fn',
        "train_dataloader = dict(worker_init_fn=dict(type='os.system'))",
        r'train_dataloader\.worker_init_fn\.type: ',
    ),
    (
        'arguments of worker_init_fn',
        "train_dataloader = dict(worker_init_fn=dict(type='pseudo_collate', command='x'))",
        'worker_init_fn: command is not allowed',
    ),
    ('init_cfg', "model = dict(init_cfg=dict(type='os.system'))", r'model\.init_cfg\.type: '),
    ('part of another package', "model = dict(type='TIMMBackbone')", 'downloads what'),
    ('diffusion', "model = dict(backbone=dict(type='VPD'))", 'builds what its diffusion_cfg'),
    ('albumentations', "train_pipeline = [dict(type='Albu', transforms=[])]", 'calls what'),
    ('evaluating hook', "custom_hooks = [dict(type='RFSearchHook')]", 'evaluates text'),
    ('profiler', "custom_hooks = [dict(type='ProfilerHook')]", 'json_trace_path'),
    ('wandb', "vis_backends = [dict(type='WandbVisBackend')]", 'sends files away'),
    ('dvc', "vis_backends = [dict(type='DVCLiveVisBackend')]", 'runs commands'),
    ('deleting metric', "test_evaluator = dict(type='CityscapesMetric')", 'deletes its output_dir'),
    ('pickling metric', "test_evaluator = [dict(type='DumpResults')]", 'writes a pickled file'),
    ('GDAL', "train_pipeline = [dict(type='LoadSingleRSImageFromFile')]", 'URLs that GDAL knows'),
    ('sharding', "model_wrapper_cfg = dict(type='MMFullyShardedDataParallel')", 'policies'),
    # scopes and imports
    ('scope', "default_scope = 'antigravity'", 'default_scope: '),
    ('scope of a part', "model = dict(type='FCNHead', _scope_='antigravity')", r'model\._scope_: '),
    ('import', "custom_imports = dict(imports=['antigravity'])", r'custom_imports\.imports\.0: '),
    (
        'import of a file',
        "custom_imports = dict(imports=['evil'])",
        r'custom_imports\.imports\.0: ',
    ),
    (
        'import of text',
        "custom_imports = dict(imports='antigravity')",
        r'custom_imports\.imports: ',
    ),
    ('import of a tool', "custom_imports = dict(imports=['mmseg_eff.evil'])", 'imports.0: '),
    ('import of tests', "custom_imports = dict(imports=['mmengine.testing'])", 'imports.0: '),
    ('list of imports', "custom_imports = ['antigravity']", r'custom_imports\.0: '),
    ('option of imports', 'custom_imports = dict(imports=[], x=1)', 'custom_imports: x is not'),
    # storage
    (
        'memcached',
        "data = dict(backend_args=dict(backend='memcached', sys_path='.', client_cfg='a'))",
        'data.backend_args: client_cfg is not allowed',
    ),
    ('petrel', "data = dict(backend_args=dict(backend='petrel'))", 'backend_args.backend: '),
    ('http storage', "data = dict(backend_args=dict(backend='http'))", 'backend_args.backend: '),
    (
        'old storage',
        "data = dict(file_client_args=dict(backend='memcached'))",
        r'file_client_args\.backend: ',
    ),
    ('storage as text', "data = dict(backend_args='petrel')", 'backend_args: '),
    (
        'storage of checkpoints',
        "default_hooks = dict(checkpoint=dict(backend_args=dict(sys_path='.')))",
        'checkpoint.backend_args: sys_path is not allowed',
    ),
    ('pickle', "data = dict(type='LoadBiomedicalData', decode_backend='pickle')", 'decode_backend'),
    ('pickled labels', "data = dict(ann_file='labels.PKL')", 'can hold code'),
    ('YAML labels', "data = dict(ann_file='labels.yaml')", 'can hold code'),
    # launching
    ('compile', "compile = dict(options={'cpp.cxx': ['evil']})", 'compile: nothing reads this key'),
    ('used compile', 'compile = True\nmodel = dict(a=compile)', 'compile: nothing reads this key'),
    ('strategy', "strategy = dict(type='DDPStrategy')", 'strategy: nothing reads this key'),
    ('unknown key', 'optim_wraper = dict()', 'did you mean optim_wrapper'),
    ('launcher', "launcher = 'slurm'", 'launcher: '),
    ('backend', "env_cfg = dict(dist_cfg=dict(backend='evil'))", r'env_cfg\.dist_cfg\.backend: '),
    (
        'rendezvous',
        "env_cfg = dict(dist_cfg=dict(init_method='tcp://198.51.100.1:1'))",
        'env_cfg.dist_cfg: init_method is not allowed',
    ),
    ('environment', 'env_cfg = dict(x=1)', 'env_cfg: x is not allowed'),
    ('spawned workers', "env_cfg = dict(mp_cfg=dict(mp_start_method='spawn'))", 'mp_start_method'),
    (
        'other context',
        "train_dataloader = dict(multiprocessing_context='spawn')",
        'train_dataloader: multiprocessing_context is not allowed',
    ),
    ('loader as text', "train_dataloader = 'evil'", 'train_dataloader: '),
    # connections
    ('load_from', "load_from = 'http://198.51.100.1/a.pth'", f'load_from: .*{DOWNLOAD}'),
    (
        'Pretrained',
        "model = dict(init_cfg=dict(type='Pretrained', checkpoint='https://example.org/a.pth'))",
        f'model.init_cfg.checkpoint: .*{DOWNLOAD}',
    ),
    ('pretrained', "model = dict(pretrained='http://example.org/a')", f'pretrained: .*{DOWNLOAD}'),
    ('cloud', "load_from = 's3://bucket/a.pth'", 'load_from: .*expected a local file'),
    ('pavi', "load_from = 'pavi://a'", 'load_from: .*expected a local file'),
    ('data by URL', "data = dict(data_root='http://example.org/')", 'data.data_root: '),
    ('classes by URL', "data = dict(metainfo=dict(classes='http://a/b'))", 'metainfo.classes: '),
    # writing
    ('work_dir', "work_dir = '/tmp'", f'work_dir: .*{OUTSIDE}'),
    ('work_dir above', "work_dir = 'work_dirs/../..'", f'work_dir: .*{OUTSIDE}'),
    ('out_dir', "default_hooks = dict(checkpoint=dict(out_dir='/tmp'))", f'out_dir: .*{OUTSIDE}'),
    ('save_dir', "visualizer = dict(save_dir='..')", f'visualizer.save_dir: .*{OUTSIDE}'),
    ('output_dir', "test_evaluator = dict(output_dir='/home')", f'output_dir: .*{OUTSIDE}'),
    ('collect_dir', "test_evaluator = dict(collect_dir='a')", 'collect_dir: .*is not allowed'),
    (
        'filename_tmpl',
        "default_hooks = dict(checkpoint=dict(filename_tmpl='../../{}.pth'))",
        'checkpoint.filename_tmpl: ',
    ),
    (
        'filename_tmpl with a width',
        "default_hooks = dict(checkpoint=dict(filename_tmpl='{:999999999d}'))",
        'checkpoint.filename_tmpl: ',
    ),
    (
        'filename_tmpl with an attribute',
        "default_hooks = dict(checkpoint=dict(filename_tmpl='{0.__class__}'))",
        'checkpoint.filename_tmpl: ',
    ),
    (
        'config_save_file',
        "vis_backends = [dict(type='LocalVisBackend', config_save_file='/tmp/c.py')]",
        r'vis_backends\.0\.config_save_file: ',
    ),
    (
        'img_save_dir',
        "vis_backends = [dict(type='LocalVisBackend', img_save_dir='..')]",
        r'vis_backends\.0\.img_save_dir: ',
    ),
    (
        'scalar_save_file',
        "vis_backends = [dict(type='LocalVisBackend', scalar_save_file='a/b.json')]",
        r'vis_backends\.0\.scalar_save_file: ',
    ),
    ('out_file', "custom_hooks = [dict(type='RunRecordHook', out_file='/tmp/a')]", OUTSIDE),
    ('experiment_name', "experiment_name = '../a'", 'experiment_name: '),
    # text
    ('quote in a key', """model = {"b'": 1}""", 'expected a string without quotes'),
    ('number as a key', 'model = {1: 2}', 'expected a string without quotes'),
    ('escape sequence', r"model = dict(a='\x1b[2J')", r'model.a: .*control characters'),
    ('null byte', r"load_from = 'a\0b'", 'load_from: .*control characters'),
    ('surrogate', r"load_from = '\ud800'", 'load_from: .*control characters'),
    ('infinite number', 'model = dict(a=1e999)', 'model.a: inf: expected a finite number'),
    ('processes', 'train_dataloader = dict(num_workers=10000)', 'num_workers: .*at most 256'),
    ('model as text', "model = 'evil'", 'model: expected a dict'),
]


def cases():
    return [pytest.param(text, message, id=name) for name, text, message in CASES]


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder with a hostile module in it, to read configs in."""
    folder = tmp_path / 'inside'
    folder.mkdir()
    (folder / 'evil.py').write_text('open("ran", "w")')
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_there_are_enough():
    assert len(CASES) > 90 and len({name for name, *_ in CASES}) == len(CASES)


@pytest.mark.parametrize(('text', 'message'), cases())
def test_refused_with_its_key(inside, capsys, text, message):
    path = inside / 'config.py'
    path.write_text(text)

    @tool
    def main(argv=None):
        read_config_of(parsed(argv))

    with watch(inside.parent) as seen:
        assert main([str(path), '--safe-config']) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and seen == [] and not (inside / 'ran').exists()
    with pytest.raises(InputError, match=rf'^{path}: .*{message}'):
        read_safe_config(path)


@pytest.mark.parametrize(
    'url',
    [
        'https://download.openmmlab.com/a.pth',
        'open-mmlab://resnet50_v1c',
        'mmcls://mobilenet_v2',
        'hub:xception65_imagenet',
    ],
)
def test_known_weights_may_be_named(inside, url):
    (inside / 'config.py').write_text(f"model = dict(pretrained='{url}')\nload_from = '{url}'")
    assert read_safe_config(inside / 'config.py').load_from == url


def test_any_url_of_weights_on_request(inside):
    (inside / 'config.py').write_text("load_from = 'https://example.org/a.pth'")
    argv = [str(inside / 'config.py'), '--safe-config', '--allow-download']
    assert read_config_of(parsed(argv)).load_from


def test_folders_in_the_work_dir(inside):
    path = inside / 'config.py'
    path.write_text("default_hooks = dict(checkpoint=dict(out_dir='runs/a/copies'))")
    argv = [str(path), '--safe-config', '--work-dir', 'runs/a']
    assert read_config_of(parsed(argv, add_runner_arguments))
    with pytest.raises(InputError, match=OUTSIDE):
        read_config_of(parsed([*argv[:-1], 'runs/b'], add_runner_arguments))


def test_variables_in_use_are_left_out(inside):
    """A dump of the config then reads, too."""
    path = inside / 'config.py'
    path.write_text('base_lr = 0.1\nnorm_cfg = dict(type="BN")\nmodel = dict(lr=base_lr)')
    config = read_safe_config(path)
    assert config.to_dict() == dict(norm_cfg=dict(type='BN'), model=dict(lr=0.1))
    config.dump(inside / 'dump.py')
    assert read_safe_config(inside / 'dump.py').to_dict() == config.to_dict()


def test_a_large_config_is_dumped_at_once(inside):
    """mmengine's layout of these 20 kB takes minutes."""
    path = inside / 'config.py'
    path.write_text(f'model = dict({",".join(f"a{i}=dict(b=[1, 2])" for i in range(1000))})')
    begin = time.process_time()
    read_safe_config(path).dump(inside / 'dump.py')
    assert time.process_time() - begin < 5
    assert read_safe_config(inside / 'dump.py').model.a999.b == [1, 2]


def test_sections_are_those_that_the_runner_reads():
    """A newer mmengine with another section must not have it read as a variable."""
    source = inspect.getsource(Runner)
    read = set(re.findall(r"cfg(?:\.get\(|\[)'(\w+)'", source))
    known = SECTIONS | {'compile', 'cfg'}
    top = {name for name in read if f"self.cfg.get('{name}'" in source or name in known}
    assert top | set(inspect.signature(Runner).parameters) <= known
    assert not VARIABLES & (SECTIONS | {'compile', 'cfg', 'strategy'})
