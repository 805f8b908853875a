# As cityscapes_selftrain_512x1024.py, with square crops.
_base_ = './cityscapes_selftrain_512x1024.py'
crop_size = (1024, 1024)
train_pipeline = [
    *_base_.train_pipeline[:3],
    dict(type='RandomCrop', crop_size=crop_size),
    *_base_.train_pipeline[4:],
]
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(dataset, pipeline=train_pipeline)
            for dataset in _base_.train_dataloader.dataset.datasets
        ]
    )
)
