import pytest

import kres
from kres.specs import Spec
from kres.training.settings import Network
from kres.training.settings.networks import network_spec


def test_a_row_as_it_is_keeps_its_name_which_weights_know():
    assert network_spec(Network(row="resnet50")) == "resnet50"


def test_depths_and_width():
    """Hand-computed: half of 64..512, of 32 groups of 4 channels at width 64."""
    spec = network_spec(Network(row="resnext50_32x4d", depths=(1, 2, 3, 4), width=0.5))
    assert isinstance(spec, Spec)
    assert (spec.depths, spec.widths) == ((1, 2, 3, 4), (32, 64, 128, 256))
    assert (spec.groups, spec.inner_widths) == (16, (64, 128, 256, 512))
    assert spec.params is None


@pytest.mark.parametrize("width", [0.125, 0.3, 0.5, 1.7, 2.0])
def test_every_row_has_every_width(width):
    for name in kres.list_models():
        row, spec = kres.spec(name), network_spec(Network(row=name, width=width))
        assert isinstance(spec, Spec)
        assert spec.widths == tuple(round(count * width) for count in row.widths), name
        assert (spec.groups > 1) == (row.groups > 1), name
        if row.grouped:
            channels = [inner // spec.groups for inner in spec.inner_widths]
            assert channels[0] >= row.inner_widths[0] // row.groups, name


def test_other_numbers_of_stages_are_refused():
    with pytest.raises(ValueError, match=r"4 stages of resnet18\. Received: depths=\(1, 1\)"):
        Network(row="resnet18", depths=(1, 1))


def test_an_unknown_row_names_the_closest():
    with pytest.raises(ValueError, match="resnet50"):
        Network(row="resnet5O", width=0.5)
