"""What each weight source calls a network's tensors: tables of name rules, and no logic."""

from dataclasses import replace

from kres.weights.rules import Rules, Source

_KERAS_VARIABLES = {name: name for name in ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")}

TIMM = Source(
    name="timm",
    formats=frozenset({"safetensors", "torch"}),
    layout="torch",
    separator=".",
    variables={
        "kernel": "weight",
        "bias": "bias",
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
    rules=(
        Rules(
            layers={  # torchvision's names too
                "stem_conv": "conv1",
                "stem_norm": "bn1",
                "stem_pool_conv": "maxpool.0",
                "stem_pool_norm": "maxpool.1",
                "block_conv": "layer{stage}.{block_before}.conv{n}",
                "block_norm": "layer{stage}.{block_before}.bn{n}",
                "block_se_fc": "layer{stage}.{block_before}.se.fc{n}",
                "block_eca_conv": "layer{stage}.{block_before}.se.conv",
                "block_shortcut_conv": "layer{stage}.{block_before}.downsample.0",
                "block_shortcut_norm": "layer{stage}.{block_before}.downsample.1",
                "predictions": "fc",
            },
        ),
        Rules(
            when={"shortcut_pool": "avg"},  # number 0 is the pool
            layers={
                "block_shortcut_conv": "layer{stage}.{block_before}.downsample.1",
                "block_shortcut_norm": "layer{stage}.{block_before}.downsample.2",
            },
        ),
        Rules(
            when={"stem_depth": 3},
            layers={
                "stem_conv1": "conv1.0",
                "stem_norm1": "conv1.1",
                "stem_conv2": "conv1.3",
                "stem_norm2": "conv1.4",
                "stem_conv3": "conv1.6",
                "stem_norm3": "bn1",
            },
        ),
        Rules(
            when={"attention": "se", "se_multiple": 1, "stem_pool": "max_ceil"},  # timm's older senet.py
            layers={
                "stem_conv1": "layer0.conv1",
                "stem_norm1": "layer0.bn1",
                "stem_conv2": "layer0.conv2",
                "stem_norm2": "layer0.bn2",
                "stem_conv3": "layer0.conv3",
                "stem_norm3": "layer0.bn3",
                "block_se_fc": "layer{stage}.{block_before}.se_module.fc{n}",
                "predictions": "last_linear",
            },
        ),
        Rules(
            when={"order": "preactivation"},
            layers={
                "stem_conv": "stem.conv",
                "block_conv": "stages.{stage_before}.blocks.{block_before}.conv{n}",
                "block_norm": "stages.{stage_before}.blocks.{block_before}.norm{n}",
                "block_shortcut_conv": "stages.{stage_before}.blocks.{block_before}.downsample.conv",
                "final_norm": "norm",
                "predictions": "head.fc",
            },
            forms={"predictions": "torch_1x1"},
        ),
        Rules(
            when={"order": "preactivation", "stem_depth": 3},
            layers={
                "stem_conv1": "stem.conv1",
                "stem_norm1": "stem.norm1",
                "stem_conv2": "stem.conv2",
                "stem_norm2": "stem.norm2",
                "stem_conv3": "stem.conv3",
            },
        ),
    ),
    left_out=("num_batches_tracked",),
)

KERAS_APPLICATIONS = Source(
    name="keras.applications",
    formats=frozenset({"keras"}),
    layout="keras",
    separator="/",
    variables=_KERAS_VARIABLES,
    rules=(
        Rules(
            layers={
                "stem_conv1": "conv1_conv",
                "block_conv": "conv{stage_after}_block{block}_{n}_conv",
                "block_shortcut_conv": "conv{stage_after}_block{block}_0_conv",
                "predictions": "predictions",
            },
        ),
        Rules(
            when={"order": "postactivation"},
            layers={
                "stem_norm1": "conv1_bn",
                "block_norm": "conv{stage_after}_block{block}_{n}_bn",
                "block_shortcut_norm": "conv{stage_after}_block{block}_0_bn",
            },
        ),
        Rules(
            when={"grouped": True},
            forms={"block_conv2": "depthwise"},
            constants={"block_conv2": "conv{stage_after}_block{block}_2_gconv/kernel"},
        ),
        Rules(
            when={"order": "preactivation"},
            layers={
                "block_norm1": "conv{stage_after}_block{block}_preact_bn",
                "block_norm": "conv{stage_after}_block{block}_{n_before}_bn",
                "final_norm": "post_bn",
            },
        ),
    ),
)

KERASHUB = Source(
    name="KerasHub",
    formats=frozenset({"keras"}),
    layout="keras",
    separator="/",
    variables=_KERAS_VARIABLES,
    rules=(
        Rules(
            layers={
                "stem_conv": "conv{n}_conv",
                "stem_norm": "conv{n}_bn",
                "block_conv": "stack{stage_before}_block{block_before}_{n}_conv",
                "block_norm": "stack{stage_before}_block{block_before}_{n}_bn",
                "block_shortcut_conv": "stack{stage_before}_block{block_before}_0_conv",
                "block_shortcut_norm": "stack{stage_before}_block{block_before}_0_bn",
                "predictions": "predictions",
            },
        ),
        Rules(
            when={"order": "preactivation"},
            layers={
                "block_norm1": "stack{stage_before}_block{block_before}_pre_activation_bn",
                "block_norm": "stack{stage_before}_block{block_before}_{n_before}_bn",
                "final_norm": "post_bn",
            },
        ),
    ),
    head_file="task.weights.h5",
)

# Before version 3.6 Keras wrote no layer names into its files, and KerasHub's networks are older than that.
KERASHUB_NUMBERED = replace(
    KERASHUB,
    name="KerasHub, by number",
    classes={"conv": "conv2d", "norm": "batch_normalization", "predictions": "dense"},
)

BIT = Source(
    name="BiT",
    formats=frozenset({"npz"}),
    layout="keras",
    separator="/",
    variables={"kernel": "kernel", "bias": "bias", "gamma": "gamma", "beta": "beta"},
    rules=(
        Rules(
            layers={
                "stem_conv": "resnet/root_block/standardized_conv2d",
                "block_conv1": "resnet/block{stage}/unit{block:02}/a/standardized_conv2d",
                "block_conv2": "resnet/block{stage}/unit{block:02}/b/standardized_conv2d",
                "block_conv3": "resnet/block{stage}/unit{block:02}/c/standardized_conv2d",
                "block_norm1": "resnet/block{stage}/unit{block:02}/a/group_norm",
                "block_norm2": "resnet/block{stage}/unit{block:02}/b/group_norm",
                "block_norm3": "resnet/block{stage}/unit{block:02}/c/group_norm",
                "block_shortcut_conv": "resnet/block{stage}/unit{block:02}/a/proj/standardized_conv2d",
                "final_norm": "resnet/group_norm",
                "predictions": "resnet/head/conv2d",
            },
        ),
    ),
)

KRES = Source(
    name="kres",
    formats=frozenset({"keras"}),
    layout="keras",
    separator="/",
    variables=_KERAS_VARIABLES,
    rules=(Rules(layers={"*": "{name}"}),),
)

SOURCES = (TIMM, KERAS_APPLICATIONS, KERASHUB, KERASHUB_NUMBERED, BIT, KRES)
