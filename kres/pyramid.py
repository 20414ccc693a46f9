"""A network's maps at several strides, for detection and segmentation."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import keras

from kres.blocks import ORDERS
from kres.model import ResNet, network_spec
from kres.specs import Spec
from kres.stages import Resolution, places
from kres.stems import last_before_pool


def features(
    model: keras.Model,
    levels: Iterable[int] = (8, 16, 32),
    *,
    activated: bool = False,
    network: str | Spec | None = None,
) -> keras.Model:
    """A model on the same input and layers that puts out {level: map (n, h / level, w / level, c)}.

    A level is a nominal stride: pixels to one position at the row's own output stride. 4, 8, 16 and 32 are C2 to C5 of
    Lin et al. 2017, arXiv 1612.03144, section 3, the last map at each stride; 2 is the stem's, before its pool. A
    dilated network keeps those keys, its maps are larger.

    Args:
        model: a network of `kres.build`, with or without the top.
        levels: nominal strides, in any order.
        activated: pre-activation blocks put out the raw sum, which has neither norm nor activation; True takes each
            map behind the norm and activation that follow it. Other networks' maps are activated already.
        network: what the model was built from, where it does not know (one built on an `input_tensor`).

    Raises:
        ValueError: a level that the network does not have, or a model that `kres.build` did not make.
    """
    spec = network_spec(model, network)
    resolution = model.resolution if isinstance(model, ResNet) else Resolution()
    taps = level_layers(spec, resolution=resolution, activated=activated)
    levels = tuple(levels) if isinstance(levels, Iterable) else (levels,)
    if not levels or any(level not in taps for level in levels):
        raise ValueError(
            f"`levels` of {model.name} with activated={activated} are some of {sorted(taps)}. "
            f"Received: levels={levels!r}"
        )
    outputs = {level: model.get_layer(taps[level]).output for level in levels}
    config = {
        "model": keras.saving.serialize_keras_object(model),
        "levels": levels,
        "activated": activated,
        "network": network.to_dict() if isinstance(network, Spec) else network,
    }
    return FeaturePyramid(inputs=model.input, outputs=outputs, config=config, name=f"{model.name}_features")


@keras.saving.register_keras_serializable(package="kres")
class FeaturePyramid(keras.Model):
    """What `features` gives: a functional model that is saved as the network and the levels it was made of.

    So the levels are integers again when it is loaded, where JSON would have made words of them.
    """

    def __init__(self, *, inputs: Any, outputs: dict[int, Any], config: dict[str, Any], name: str) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self._made_of = dict(config)

    def get_config(self) -> dict[str, Any]:
        """The network and the arguments of `features`, as JSON holds them."""
        return {**self._made_of, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model of `get_config`, with fresh weights."""
        network = config["network"]
        return features(
            keras.saving.deserialize_keras_object(config["model"], custom_objects),
            config["levels"],
            activated=config["activated"],
            network=Spec(**network) if isinstance(network, dict) else network,
        )


def level_layers(spec: Spec, *, resolution: Resolution, activated: bool = False) -> dict[int, str]:
    """The layer that puts out each nominal stride's last map.

    Activated, the stem of a pre-activation network has none: its norm stands behind the pool.
    """
    blocks = list(places(spec, resolution=resolution))
    follows = activated and bool(ORDERS[spec.order].before)
    outs = [block.out for block in blocks]
    if follows:
        outs = [f"{after.name}_act1" for _, after in pairwise(blocks)] + ["final_act"]
    taps = {block.nominal_stride: out for block, out in zip(blocks, outs, strict=True)}
    if spec.stem_stride == 1 or follows:
        return taps
    return {spec.stem_stride // 2: last_before_pool(spec), **taps}
