"""The registered parts that a safe config may name, by registry, and the names at its top.

Every part that mmengine, mmseg and this package register stands in one of the two tables;
``tests/safe_config/test_allowed_parts.py`` compares them with the registries.
"""

REFUSED = {  # registry -> part -> what it does that a config from elsewhere must not
    'dataset': {'DSDLSegDataset': 'reads data by programs of another package'},
    'hook': {
        'NPUProfilerHook': 'writes where its result_path says',
        'ProfilerHook': 'writes where its json_trace_path says',
        'RFSearchHook': 'evaluates text',
    },
    'metric': {
        'CityscapesMetric': 'deletes its output_dir',
        'DumpResults': 'writes a pickled file',
    },
    'model': {
        'TIMMBackbone': 'downloads what its model_name says',
        'VPD': 'builds what its diffusion_cfg names',
    },
    'model_wrapper': {
        'CollosalAIModelWrapper': 'starts another engine',
        'ColossalAIModelWrapper': 'starts another engine',
        'MMDeepSpeedEngineWrapper': 'starts another engine',
        'MMFullyShardedDataParallel': 'calls what its policies name',
    },
    'optim_wrapper': {
        'ColossalAIOptimWrapper': 'starts another engine',
        'DeepSpeedOptimWrapper': 'starts another engine',
    },
    'optimizer': {'ZeroRedundancyOptimizer': 'calls what its optimizer_type names'},
    'runner': {'FlexibleRunner': 'builds strategies, which start other engines'},
    'strategy': {
        'ColossalAIStrategy': 'starts another engine',
        'DDPStrategy': 'is for FlexibleRunner',
        'DeepSpeedStrategy': 'starts another engine',
        'FSDPStrategy': 'calls what its policies name',
        'SingleDeviceStrategy': 'is for FlexibleRunner',
    },
    'transform': {
        'Albu': 'calls what its transforms name in another package',
        'LoadMultipleRSImageFromFile': 'opens URLs that GDAL knows',
        'LoadSingleRSImageFromFile': 'opens URLs that GDAL knows',
    },
    'vis_backend': {
        'AimVisBackend': 'sends files away',
        'ClearMLVisBackend': 'sends files away',
        'DVCLiveVisBackend': 'runs commands',
        'MLflowVisBackend': 'sends files away',
        'NeptuneVisBackend': 'sends files away',
        'WandbVisBackend': 'sends files away',
    },
}
LISTS = {  # registry -> names
    'data sampler': """
        DefaultSampler InfiniteSampler MultiSourceSampler ResumableSampler
    """,
    'dataset': """
        ADE20KDataset BDD100KDataset BaseCDDataset BaseSegDataset COCOStuffDataset CamVidDataset
        ChaseDB1Dataset CityscapesDataset ClassBalancedDataset ConcatDataset DRIVEDataset
        DarkZurichDataset DecathlonDataset ForegroundVOCDataset HRFDataset ISPRSDataset
        LEVIRCDDataset LIPDataset LoveDADataset MapillaryAsCityscapesDataset MapillaryDataset_v1
        MapillaryDataset_v2 MultiImageMixDataset NYUDataset NightDrivingDataset
        PascalContextDataset PascalContextDataset59 PascalVOCDataset PotsdamDataset REFUGEDataset
        RepeatDataset STAREDataset SynapseDataset ToyStreetDataset iSAIDDataset
    """,
    'evaluator': """
        Evaluator
    """,
    'function': """
        default_collate pseudo_collate
    """,
    'hook': """
        ChannelsLastHook CheckpointHook DistSamplerSeedHook EMAHook EarlyStoppingHook
        EmptyCacheHook FrozenNormHook IterTimerHook LoggerHook NaiveVisualizationHook OHEMHook
        ParamSchedulerHook PrepareTTAHook ResumeCheckHook RunRecordHook RuntimeInfoHook
        SafeCheckpointHook SegVisualizationHook SyncBuffersHook TrainingCheckHook
    """,
    'log_processor': """
        LogProcessor
    """,
    'loop': """
        EpochBasedTrainLoop IterBasedTrainLoop ResumableEpochBasedTrainLoop
        ResumableIterBasedTrainLoop TestLoop ValLoop
    """,
    'metric': """
        CheckedIoUMetric ConfusionMatrix DepthMetric IoUMetric ProtocolIoUMetric TrimapIoUMetric
    """,
    'model_wrapper': """
        DataParallel DistributedDataParallel MMDistributedDataParallel
        MMSeparateDistributedDataParallel
    """,
    'model': """
        ANNHead APCHead ASPPHead AtrousMobileNetV2 AtrousResNet AtrousVGG BEiT BN BN1d BN2d BN3d
        BaseDataPreprocessor BaseTTAModel BaseTransformerLayer BiFPN BiSeNetV1 BiSeNetV2
        BoundaryLoss CCHead CGNet CLIPTextEncoder CascadeEncoderDecoder Clamp Clip ContextBlock
        Conv Conv1d Conv2d Conv2dAdaptivePadding Conv3d ConvAWS ConvModule ConvTranspose2d
        ConvTranspose3d ConvWS CrissCrossAttention CrossEntropyLoss DAHead DCN DCNv2 DDRHead
        DDRNet DMHead DNLHead DPTHead DeconvModule DeepLabV1Head DeepLabV2Head DeepLabV3Head
        DeepLabV3PlusHead DepthEstimator DepthwiseSeparableASPPHead DepthwiseSeparableFCNHead
        DiceLoss DropPath Dropout ELU EMAHead EPP ERFNet ESPNet ESPNetCHead ESPNetHead ESPNetv2
        EfficientNet EncHead EncoderDecoder ExponentialMovingAverage FCNHead FFN FPN FPNHead
        FastSCNN Feature2Pyramid FocalLoss GCHead GELU GN GeneralizedAttention HRNet HSigmoid
        HSwish HuasdorffDisstanceLoss ICNeck ICNet IN IN1d IN2d IN3d ISAHead ImgDataPreprocessor
        InterpConv IterativeDecodeHead JPU KernelUpdateHead KernelUpdator LN LRASPPHead LeakyReLU
        LightHamHead LovaszLoss MAE MLANeck MMSyncBN MSCAN Mask2FormerHead MaskFormerHead
        MeanProbabilityTTAModel MixVisionTransformer MobileNetV2 MobileNetV3 MomentumAnnealingEMA
        MultiLevelNeck MultiScaleDeformableAttention MultiScaleEncoderDecoder
        MultiSizeDataPreProcessor MultiheadAttention MultimodalEncoderDecoder NLHead NonLocal2d
        OCRHead OHEMCrossEntropy OhemCrossEntropy PCPVT PIDHead PIDNet PReLU PSAHead PSPHead
        PointHead PooledLevels QuickGELU RReLU RampedEMA ReLU ReLU6 ResNeSt ResNeXt ResNet
        ResNetV1c ResNetV1d SAC SETRMLAHead SETRUPHead STDCContextPathNet STDCHead STDCNet SVT
        SegDataPreProcessor SegTTAModel SegformerHead SegmenterMaskTransformerHead SiLU SiLogLoss
        SideAdapterCLIPHead Sigmoid SparseConv2d SparseConv3d SparseConv4d SparseConvTranspose2d
        SparseConvTranspose3d SparseInverseConv2d SparseInverseConv3d StochasticWeightAverage
        SubMConv2d SubMConv3d SubMConv4d SwinTransformer Swish SyncBN Tanh
        TransformerLayerSequence TverskyLoss UNet UPerHead VPDDepthHead VisionTransformer
        WeightedCrossEntropy WeightedSumHead Xception bilinear carafe deconv deconv3d nearest
        pixel_shuffle reflect replicate zero
    """,
    'optimizer wrapper constructor': """
        DefaultOptimWrapperConstructor ForceDefaultOptimWrapperConstructor
        LayerDecayOptimizerConstructor LearningRateDecayOptimizerConstructor
    """,
    'optim_wrapper': """
        AmpOptimWrapper ApexOptimWrapper OptimWrapper
    """,
    'optimizer': """
        ASGD Adadelta Adagrad Adam AdamW Adamax LBFGS Muon NAdam Optimizer RAdam RMSprop Rprop SGD
        SparseAdam TorchAdafactor
    """,
    'parameter scheduler': """
        ConstantLR ConstantMomentum ConstantParamScheduler CosineAnnealingLR
        CosineAnnealingMomentum CosineAnnealingParamScheduler CosineRestartLR
        CosineRestartMomentum CosineRestartParamScheduler ExponentialLR ExponentialMomentum
        ExponentialParamScheduler HybridLR LinearLR LinearMomentum LinearParamScheduler
        MultiStepLR MultiStepMomentum MultiStepParamScheduler OneCycleLR OneCycleParamScheduler
        PolyLR PolyLRRatio PolyMomentum PolyParamScheduler ReduceOnPlateauLR
        ReduceOnPlateauMomentum ReduceOnPlateauParamScheduler StepLR StepMomentum
        StepParamScheduler
    """,
    'runner': """
        Runner SegRunner
    """,
    'task util': """
        ClassificationCost CrossEntropyLossCost DiceCost HungarianAssigner OHEMPixelSampler
    """,
    'transform': """
        AdjustGamma BioMedical3DPad BioMedical3DRandomCrop BioMedical3DRandomFlip
        BioMedicalGaussianBlur BioMedicalGaussianNoise BioMedicalRandomGamma CLAHE CenterCrop
        Compose ConcatCDInput GenerateEdge ImageToTensor InferencerLoader KeyMapper
        LoadAnnotations LoadBiomedicalAnnotation LoadBiomedicalData LoadBiomedicalImageFromFile
        LoadCheckedAnnotations LoadCheckedImage LoadDepthAnnotation LoadImageFromFile
        LoadImageFromNDArray MultiScaleFlipAug Normalize PackSegInputs Pad PhotoMetricDistortion
        RGB2Gray RandomApply RandomChoice RandomChoiceResize RandomCrop RandomCutOut
        RandomDepthMix RandomFlip RandomGrayscale RandomJPEG RandomMosaic RandomResize
        RandomRotFlip RandomRotate Rerange Resize ResizeShortestEdge ResizeToMultiple
        ScoreAtInputSize SegRescale TestTimeAug ToTensor TransformBroadcaster
    """,
    'vis_backend': """
        LocalVisBackend TensorboardVisBackend
    """,
    'visualizer': """
        SegLocalVisualizer Visualizer
    """,
    'weight initializer': """
        Caffe2Xavier Constant Kaiming Normal Pretrained TruncNormal Uniform Xavier
    """,
}
TOP = {
    # what the runner and our tools read
    'sections': """
        activation_checkpointing auto_scale_lr custom_hooks custom_imports data_preprocessor
        default_hooks default_scope efficient_conv_bn_eval env_cfg experiment_name
        find_unused_parameters launcher load_from log_level log_processor model model_wrapper_cfg
        optim_wrapper param_scheduler pseudo_labels randomness resume runner_type sync_bn test_cfg
        test_dataloader test_evaluator test_pipeline train_cfg train_dataloader tta_model
        tta_pipeline val_cfg val_dataloader val_evaluator visualizer work_dir
    """,
    # what nothing reads: usual names of what the sections are built from
    'variables': """
        act_cfg augment auxiliary_head backbone backbone_embed_multi backbone_norm_cfg
        backbone_norm_multi biases checkpoint checkpoint_file class_weight classes coco
        conv_kernel_size crop_size custom_keys data data_root dataset_aug dataset_train
        dataset_type decay depths drive embed_multi espnet_preprocessor fpn ham_norm_cfg head
        img_prefix img_ratios img_scale img_suffix labelled load load_labels loss_decode
        max_epochs max_iters metainfo min_kept neck norm_cfg num_classes num_labels num_stages
        optimizer other_images palette pretrained quarter quarter_weight scales seg_map_suffix
        sizes stage steps test_set test_size train_ann train_pipeline train_set train_sets
        used_labels val_ann val_set vis_backends warmup
    """,
}
ALLOWED = {registry: frozenset(names.split()) for registry, names in LISTS.items()}
NAMES = frozenset().union(*ALLOWED.values())
REASONS = {name: reason for parts in REFUSED.values() for name, reason in parts.items()}
SECTIONS, VARIABLES = (frozenset(TOP[kind].split()) for kind in ('sections', 'variables'))
