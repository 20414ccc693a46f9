"""From a Spec to a functional Keras model that knows what it is."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import keras

from kres.arguments import (
    check_flags,
    check_preprocess,
    checked_classes,
    checked_drop_path,
    checked_dropout,
    checked_resolution,
    checked_shape,
    refuse_channels_first,
)
from kres.backbone import POOLINGS, backbone, head
from kres.lookup import spec as look_up_spec
from kres.preprocessing import PRESETS, Preprocess
from kres.scopes import dtype_policy, recursion_for
from kres.specs import Activation, Norm, Spec
from kres.stages import DilationRule, Resolution, places
from kres.trainer import Trainer

Tensor = Any
OPTIONS = (
    "include_top",
    "input_shape",
    "pooling",
    "classes",
    "classifier_activation",
    "output_stride",
    "dilation_rule",
    "multigrid",
    "drop_path",
    "dropout",
    "norm",
    "activation",
    "zero_init_residual",
)
"""Arguments of `build` that a network's config holds."""


@keras.saving.register_keras_serializable(package="kres")
class ResNet(Trainer):
    """A functional model that knows its Spec, its options and how images reach it.

    Its config holds those and no layers: a saved model is built again from the Spec, at any depth.
    """

    def __init__(
        self,
        *,
        inputs: Tensor,
        outputs: Tensor,
        network: str | Spec,
        preprocess: Preprocess,
        options: dict[str, Any],
        name: str,
    ) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.network = network
        self.preprocess = preprocess
        self.options = options
        self.weights_tag: str | None = None

    @property
    def spec(self) -> Spec:
        """What the network is: its row, or the user's own Spec, with the norm and the activation it was built with."""
        return _resolve(self.network, norm=self.options["norm"], activation=self.options["activation"])

    @property
    def resolution(self) -> Resolution:
        """How the network keeps the resolution of its maps."""
        options = self.options
        return Resolution(
            output_stride=options["output_stride"], rule=options["dilation_rule"], multigrid=options["multigrid"]
        )

    def get_config(self) -> dict[str, Any]:
        """What the network is built from again, and which of its layers are frozen, as JSON holds it."""
        return {
            "network": self.network if isinstance(self.network, str) else self.network.to_dict(),
            "preprocess": self.preprocess.to_dict(),
            "weights_tag": self.weights_tag,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
            "trainable": self.trainable,
            "frozen": [layer.name for layer in self.layers if layer.weights and not layer.trainable],
            **self.options,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "ResNet":
        """The network that `get_config` described, with fresh weights."""
        options = stored_options(config)
        config = {name: value for name, value in config.items() if name not in OPTIONS}
        network = config.pop("network")
        tag = config.pop("weights_tag")
        # The earliest files do not say: there every layer trains.
        trainable, frozen = config.pop("trainable", True), config.pop("frozen", ())
        model = build(
            network if isinstance(network, str) else Spec(**network),
            preprocess=Preprocess(**config.pop("preprocess")),
            dtype=keras.dtype_policies.deserialize(config.pop("dtype")),
            name=config.pop("name"),
            **options,
        )
        if config:  # `weights` among them would fetch or open what a file of somebody else names
            raise ValueError(f"The config of a saved network holds what get_config wrote. Received: {sorted(config)}")
        model.weights_tag = tag
        model.trainable = trainable
        for layer in model.layers:
            if layer.weights:
                layer.trainable = layer.name not in frozen
        return model


def stored_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `build` that a network's config holds; what an earlier version's lacks is as by default."""
    parameters = inspect.signature(build).parameters
    return {name: config.get(name, parameters[name].default) for name in OPTIONS}


def build(
    network: str | Spec,
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Tensor = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: Any = "softmax",
    *,
    output_stride: int | None = None,
    dilation_rule: DilationRule = "torchvision",
    multigrid: tuple[int, ...] | None = None,
    drop_path: float = 0.0,
    dropout: float = 0.0,
    norm: Norm | None = None,
    activation: Activation | None = None,
    zero_init_residual: bool | None = None,
    preprocess: Preprocess | None = None,
    accept_licence: bool = False,
    dtype: Any = None,
    name: str | None = None,
) -> Any:
    """A residual network as a functional Keras model, images (n, h, w, c) in, (n, classes) out.

    Args:
        network: a row of `kres.list_models()`, or a Spec.
        include_top: whether pooling and classifier follow the last stage.
        weights: None for fresh ones, or what `kres.load_weights` takes.
        input_tensor: a symbolic Keras tensor to build on; the result is then an ordinary functional model.
        input_shape: (h, w, c), where h and w may be None. The default with the top is (s, s, 3) at the size that the
            weights were evaluated at, or the row's where they do not tell; without the top any size.
        pooling: without the top, `avg` or `max` to put out (n, c) instead of the last map.
        classes: None for the number of published weights or of a folder of them, or the row's. Another number leaves
            the head fresh.
        classifier_activation: None puts out logits.
        output_stride: pixels to one position of the last map, at most: 8, 16 or 32 on ImageNet's stem. Dilated
            convolutions take the place of the strides that are too many.
        dilation_rule: which convolutions dilate, as `kres.stages.Resolution` tells: `torchvision` or `deeplab`.
        multigrid: what multiplies the dilations of the last stage's blocks, such as (1, 2, 4) (Chen et al. 2017).
        drop_path: share of training images that the last block's branch is left out for; less in the blocks before,
            and 0 in the first (Huang et al. 2016).
        dropout: rate of dropout before the classifier.
        norm: `batch`, `sync_batch`, `frozen_batch` or `group`; None for the row's.
        activation: such as `relu` or `silu`; None for the row's.
        zero_init_residual: start each residual branch at zero, for training from scratch (Goyal et al. 2017); a branch
            that ends in an activation, and a plain net, start as ever, since at zero they could not learn. None for
            the row's.
        preprocess: how images become inputs; None for the published weights', or the row's.
        accept_licence: take published weights whose licence forbids commercial use.
        dtype: a Keras dtype policy such as `mixed_bfloat16`; None for the global one.
        name: of the model; None for the row's.

    Raises:
        ValueError: an argument has a value that is not allowed, a weights file does not fit, or its licence was not
            accepted.
    """
    spec = _resolve(network, norm=norm, activation=activation)
    if zero_init_residual is None:
        zero_init_residual = spec.zero_init_residual
    check_flags(include_top=include_top, zero_init_residual=zero_init_residual, accept_licence=accept_licence)
    if weights is not None:
        spec = _as_published(spec, weights, network=network, accept_licence=accept_licence)
    classes = checked_classes(spec.classes if classes is None else classes)
    if pooling not in (None, *POOLINGS):
        raise ValueError(f"`pooling` is None, 'avg' or 'max'. Received: pooling={pooling!r}")
    refuse_channels_first()
    resolution = checked_resolution(output_stride, dilation_rule=dilation_rule, multigrid=multigrid, spec=spec)
    shape = checked_shape(input_shape, input_tensor, include_top=include_top, spec=spec)
    if preprocess is not None:
        check_preprocess(preprocess, channels=shape[-1])
    options = {
        "include_top": include_top,
        "input_shape": shape,
        "pooling": pooling,
        "classes": classes,
        "classifier_activation": keras.activations.serialize(keras.activations.get(classifier_activation)),
        "output_stride": resolution.output_stride,
        "dilation_rule": resolution.rule,
        "multigrid": resolution.multigrid,
        "drop_path": checked_drop_path(drop_path, spec=spec),
        "dropout": checked_dropout(dropout, include_top=include_top),
        "norm": norm,
        "activation": activation,
        "zero_init_residual": zero_init_residual,
    }
    with dtype_policy(dtype), recursion_for(20 * sum(spec.depths)):
        inputs = keras.Input(shape, name="images") if input_tensor is None else input_tensor
        x = _outputs(inputs, spec, resolution=resolution, options=options, activation=classifier_activation)
        name = name or (network if isinstance(network, str) else "resnet")
        if input_tensor is not None:
            sources = keras.utils.get_source_inputs(input_tensor)
            model = keras.Model(sources[0] if len(sources) == 1 else sources, x, name=name)
        else:
            model = ResNet(
                inputs=inputs,
                outputs=x,
                network=network,
                preprocess=preprocess or _default_preprocess(spec, shape),
                options=options,
                name=name,
            )
    if weights is not None:
        from kres.weights import load_weights

        load_weights(model, weights, network=network, accept_licence=accept_licence)
        if preprocess is not None and isinstance(model, ResNet):
            model.preprocess = preprocess  # published weights bring their own, but the caller has the last word
    return model


def _outputs(inputs: Tensor, spec: Spec, *, resolution: Resolution, options: dict[str, Any], activation: Any) -> Tensor:
    """What a network of these options makes of its inputs (n, h, w, c); `activation` is the classifier's."""
    x = backbone(
        inputs,
        dataclasses.replace(spec, zero_init_residual=options["zero_init_residual"]),
        places=places(spec, resolution=resolution, drop_path=options["drop_path"]),
    )
    return head(
        x,
        include_top=options["include_top"],
        pooling=options["pooling"],
        classes=options["classes"],
        activation=activation,
        dropout=options["dropout"],
    )


def _resolve(network: str | Spec, *, norm: Norm | None, activation: Activation | None) -> Spec:
    """The network's Spec, with another norm or activation where those are given."""
    spec = network if isinstance(network, Spec) else look_up_spec(network)
    given = {"norm": norm, "activation": activation}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(spec, **changes)


def _as_published(spec: Spec, weights: Any, *, network: str | Spec, accept_licence: bool) -> Spec:
    """The Spec with the classes and the input size that the weights are for, as far as they say so."""
    from kres.weights import find_weights

    found = find_weights(weights, network, accept_licence=accept_licence, spec=spec)
    size = spec.input_size if found.preprocess is None else found.preprocess.size
    return dataclasses.replace(spec, classes=found.classes or spec.classes, input_size=size)


def _default_preprocess(spec: Spec, shape: tuple[int | None, int | None, int]) -> Preprocess:
    """The preset at the network's own input size and number of channels."""
    return Preprocess(size=shape[0] or spec.input_size, **PRESETS[spec.preset]).for_channels(shape[-1])


def network_spec(model: Any, network: str | Spec | None) -> Spec:
    """The Spec of a model: its own or, where it knows none (built on an `input_tensor`), that of `network`.

    Raises:
        ValueError: no Keras model, or neither knows.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` is a network of kres.build. Received: model={model!r}")
    if isinstance(model, ResNet):
        return model.spec
    if network is None:
        raise ValueError(
            "A model that kres.build did not make itself needs `network`, the row or Spec it was built from. "
            f"Received: model={model.name!r}, network=None"
        )
    return network if isinstance(network, Spec) else look_up_spec(network)
