import pytest
from helpers import parsed

from mmseg_eff.commands._cli import read_config_of
from mmseg_eff.errors import InputError

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
SEGFORMER = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
RESNET = 'mmseg_eff::mix/resnet50_epp_fcn.py'


def load(config, *options):
    return read_config_of(parsed([config, '--cfg-options', *options]))


@pytest.mark.parametrize(
    'options',
    [
        'model.decode_head.dropout_ratio=0.2',  # of the head's base
        'model.decode_head.ignore_index=0',
        'model.test_cfg.mode=slide model.test_cfg.crop_size=(64,64) model.test_cfg.stride=(32,32)',
        'model.data_preprocessor.test_cfg.size_divisor=32',
        'model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=a.pth',
        'model.neck.type=FPN model.neck.out_channels=8',
        'randomness.seed=3 resume=True load_from=a.pth work_dir=b experiment_name=c compile=True',
        'env_cfg.dist_cfg.timeout=10 visualizer.save_dir=a find_unused_parameters=True',
        'default_hooks.visualization.type=SegVisualizationHook default_hooks.visualization.draw=1',
        'default_hooks.checkpoint.by_epoch=False default_hooks.logger.priority=LOW',
        'train_dataloader.drop_last=True train_dataloader.dataset.indices=4',
        'train_dataloader.dataset.img_suffix=.jpg train_dataloader.dataset.pipeline.0.to_float32=1',
        'train_dataloader.dataset.metainfo.classes=[a,b] train_dataloader.sampler.seed=1',
        'train_cfg.val_begin=2 param_scheduler.0.begin=2 param_scheduler.0.eta_min=0.1',
        'optim_wrapper.type=AmpOptimWrapper optim_wrapper.loss_scale=dynamic',
        'optim_wrapper.paramwise_cfg.norm_decay_mult=0 optim_wrapper.optimizer.amsgrad=True',
        'test_evaluator.format_only=True test_evaluator.output_dir=a test_evaluator.prefix=b',
    ],
)
def test_what_somebody_reads_is_taken(options):
    load(CONFIG, *options.split())


@pytest.mark.parametrize(
    ('config', 'option'),
    [
        (RESNET, 'model.backbone.with_cp=True'),
        (RESNET, 'model.backbone.norm_cfg.requires_grad=False'),
        (SEGFORMER, 'model.backbone.drop_path_rate=0.2'),
        (SEGFORMER, 'optim_wrapper.paramwise_cfg.custom_keys.stem.lr_mult=3'),
    ],
)
def test_arguments_that_the_config_leaves_out(config, option):
    load(config, option)


@pytest.mark.parametrize(
    ('option', 'name', 'nearest'),
    [
        ('train_cfg.max_iter=10', 'train_cfg.max_iter', 'train_cfg.max_iters'),
        ('model.backbon.arch=B', 'model.backbon', 'model.backbone'),
        ('model.decode_head.num_clases=3', 'model.decode_head.num_clases', 'num_classes'),
        ('model.test_cfg.mod=slide', 'model.test_cfg.mod', 'model.test_cfg.mode'),
        ('randomness.sed=3', 'randomness.sed', 'randomness.seed'),
        ('resum=True', 'resum', 'resume'),
        ('crop_siz=(1,2)', 'crop_siz', 'crop_size'),
        ('default_hooks.chekpoint.interval=3', 'default_hooks.chekpoint', 'checkpoint'),
        ('default_hooks.logger.intervall=3', 'default_hooks.logger.intervall', 'interval'),
        ('train_dataloader.batchsize=3', 'train_dataloader.batchsize', 'batch_size'),
        ('train_dataloader.dataset.img_sufix=a', 'dataset.img_sufix', 'dataset.img_suffix'),
        ('test_evaluator.ignor_index=3', 'test_evaluator.ignor_index', 'ignore_index'),
        ('param_scheduler.0.powr=3', 'param_scheduler.0.powr', 'param_scheduler.0.power'),
    ],
)
def test_the_nearest_known_key_is_named(option, name, nearest):
    with pytest.raises(
        InputError, match=rf'nothing reads .*{name} in .*did you mean .*{nearest}\?'
    ):
        load(CONFIG, option)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('qqq.b=1', 'nothing reads qqq in .*; known are '),
        ('model.backbone.qqq=1', 'nothing reads model.backbone.qqq in .*; known are arch, '),
        ('test_evaluator.qqq=1', 'nothing reads test_evaluator.qqq in '),
        ('param_scheduler.9.end=3', 'param_scheduler is a list of 1; its items are'),
        ('param_scheduler.end=3', 'param_scheduler is a list of 1; its items are'),
        ('crop_size.0.a=3', 'crop_size.0 is 128, which has no keys'),
        ('load_from.a=3', 'load_from is None, which has no keys'),
        ('resume', "--cfg-options takes key=value, got 'resume'"),
        ('crop_size=(1,2', 'crop_size: cannot read'),
        ('optim_wrapper.optimizer.lr=nan', 'lr must be finite, got .nan'),
        ('param_scheduler.0.power=[1,-inf]', 'power must be finite'),
    ],
)
def test_wrong_options_are_named(option, message):
    with pytest.raises(InputError, match=message):
        load(CONFIG, option)
