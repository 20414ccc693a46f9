"""The degradation experiment: that it shows what it is for, what it counts, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kres
from kres.training import (
    Degradation,
    Interrupted,
    LogRow,
    Recipe,
    Result,
    WorkdirError,
    degradation,
    degradation_problem,
    fit,
    recipe,
)
from kres.training.degradation_problem import Comparison, Kind, Trained
from kres.training.settings.networks import network_spec
from tests.training.tiny import tiny_recipe, tiny_source

DEPTHS = (8, 14)


def still() -> Recipe:
    """Two steps that change no weight."""
    base = tiny_recipe(steps=2)
    return replace(
        base,
        optimizer=replace(base.optimizer, weight_decay=0.0),
        schedule=replace(base.schedule, kind="constant", decay_at=(), warmup=0.0, learning_rate=1e-30),
    )


def small(workdir: Path, **changes: Any) -> Degradation:
    """Two steps of nets of 8 and 14 layers."""
    options: dict[str, Any] = {"workdir": workdir, "recipe": still(), "depths": DEPTHS, "seeds": 1}
    return degradation(tiny_source(), **(options | changes))


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A workdir, and what was found there by an experiment that was stopped in the second net and went on."""
    place = tmp_path_factory.mktemp("degradation")
    begun: list[Path] = []

    def fit_one(*arguments: Any, workdir: Path, **options: Any) -> Result:
        if begun:
            raise Interrupted("stopped", signal_number=2)
        begun.append(workdir)
        return fit(*arguments, workdir=workdir, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(degradation_problem, "fit", fit_one)
        with pytest.raises(Interrupted):
            small(place)
    before = models(place)
    experiment = small(place)
    assert len(before) == 1 and models(place).items() > before.items()
    return place, experiment


def models(workdir: Path) -> dict[Path, int]:
    """The finished nets, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in workdir.glob("*/model.keras")}


def result(*rows: tuple[int, float], workdir: Path = Path("run")) -> Result:
    """A run with these steps and losses in its log; each answer is wrong as often as the loss says."""
    history = tuple(
        LogRow(step=step, epoch=0.0, learning_rate=0.1, loss=loss, accuracy=1 - loss, images_per_second=1.0)
        for step, loss in rows
    )
    return Result(
        workdir=workdir,
        recipe="r",
        data="d",
        seed=0,
        accuracy=0.5,
        n_images=2,
        n_corrupt=0,
        steps=rows[-1][0],
        seconds=1.0,
        history=history,
    )


def found(**losses: tuple[float, ...]) -> Degradation:
    """An experiment whose nets, named `plain8` and so on, ended with these losses, one a seed."""
    nets = [
        Trained(kind=kind, depth=depth, seed=seed, result=result((10, loss)))
        for kind in degradation_problem.ROWS
        for depth in DEPTHS
        for seed, loss in enumerate(losses[f"{kind}{depth}"])
    ]
    return Degradation(recipe="r", data="d", nets=tuple(nets), layers=())


@pytest.mark.slow
def test_depth_harms_plain_nets_and_not_residual_ones(tmp_path):
    """Margins from eight seeds: the deep plain net ended 0.78 or more above the shallow one, which ended at 0.27 to
    0.59; the deep residual net 0.06 or more below its own."""
    experiment = degradation("digits", workdir=tmp_path)
    assert experiment.shown, experiment.verdict
    plain, residual = experiment.comparisons
    assert len(plain.deep) == 3
    for shallow, deep in zip(plain.shallow, plain.deep, strict=True):
        assert deep > shallow + 0.4
    for shallow, deep in zip(residual.shallow, residual.deep, strict=True):
        assert deep < shallow + 0.1
    assert max(plain.shallow) < 1.0  # they have learned: ten equal answers have a loss of 2.3


def test_the_end_is_the_last_tenth_of_the_steps():
    """Of 100 steps those after the 90th: rows at 92 (of 2 steps), 96 and 100 (of 4 each)."""
    net = Trained(kind="plain", depth=8, seed=0, result=result((90, 9.0), (92, 0.1), (96, 0.2), (100, 0.4)))
    assert net.final_loss == pytest.approx((2 * 0.1 + 4 * 0.2 + 4 * 0.4) / 10)
    assert net.final_error == pytest.approx(net.final_loss)  # as `result` has it


def test_a_log_with_fewer_rows_ends_with_its_last():
    net = Trained(kind="plain", depth=8, seed=0, result=result((50, 2.0), (100, 1.0)))
    assert net.final_loss == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("shallow", "deep", "outcome"),
    [
        ((0.1, 0.2), (0.3, 0.4), "worse"),
        ((0.1, 0.2), (0.24, 0.4), "no different"),  # less than a quarter above
        ((0.1, 0.2), (0.15, 0.4), "no different"),  # the runs overlap
        ((0.3, 0.4), (0.1, 0.2), "better"),
        ((0.3, 0.4), (0.1, 0.25), "no different"),
        ((1.0,), (1.0,), "no different"),
    ],
)
def test_outcomes(shallow, deep, outcome):
    comparison = Comparison(kind="plain", depths=DEPTHS, shallow=shallow, deep=deep)
    assert comparison.outcome == outcome
    assert outcome in str(comparison)


@pytest.mark.parametrize(
    ("plain", "residual", "shown", "words"),
    [
        (2.0, 0.5, True, "is shown: with depth, the training loss of plain nets gets worse and that of residual nets"),
        (2.0, 1.0, True, "residual nets is no different"),
        (2.0, 2.0, False, "is not shown: with depth, the training loss of plain nets gets worse"),
        (1.0, 0.5, False, "plain nets is no different and that of residual nets gets better"),
        (0.5, 0.5, False, "plain nets gets better"),
    ],
)
def test_the_verdict_comes_from_the_numbers(plain, residual, shown, words):
    experiment = found(plain8=(1.0, 1.0), plain14=(plain, plain), residual8=(1.0, 1.0), residual14=(residual, residual))
    assert experiment.shown == shown
    assert words in experiment.verdict


def test_the_outermost_depths_are_compared():
    experiment = found(plain8=(1.0,), plain14=(3.0,), residual8=(1.0,), residual14=(1.0,))
    middle = Trained(kind="plain", depth=9, seed=0, result=result((10, 0.5)))
    plain, _ = replace(experiment, nets=(middle, *experiment.nets)).comparisons
    assert (plain.depths, plain.shallow, plain.deep) == (DEPTHS, (1.0,), (3.0,))


@pytest.mark.slow
def test_a_finished_experiment_trains_nothing_and_finds_the_same(resumed):
    workdir, experiment = resumed
    before = models(workdir)
    again = small(workdir)
    assert models(workdir) == before and len(before) == 4
    assert again.nets == experiment.nets
    assert json.loads(json.dumps(again.to_dict()))["nets"] == [net.to_dict() for net in experiment.nets]
    for one, other in zip(again.layers, experiment.layers, strict=True):
        assert one.responses == pytest.approx(other.responses, rel=1e-4)


@pytest.mark.slow
def test_nets_and_their_layers(resumed):
    _, experiment = resumed
    kinds = [(kind, depth) for kind in ("plain", "residual") for depth in DEPTHS]
    assert [(net.kind, net.depth) for net in experiment.nets] == kinds
    assert [(layers.kind, layers.depth) for layers in experiment.layers] == kinds
    for net, layers in zip(experiment.nets, experiment.layers, strict=True):
        assert net.result.steps == 2
        for values in (layers.first_gradients, layers.last_gradients, layers.responses):
            assert len(values) == net.depth - 1  # all but the classifier
            assert min(values.values()) > 0


@pytest.mark.slow
def test_what_learns_nothing_ends_with_the_gradients_that_it_began_with(resumed):
    """So the fresh net is the very one that training began with. Both gradients are under statistics of the batch."""
    for layers in resumed[1].layers:
        assert layers.last_gradients == pytest.approx(layers.first_gradients, rel=1e-4)


@pytest.mark.slow
def test_another_recipe_in_the_same_workdir_is_refused(resumed):
    with pytest.raises(WorkdirError, match="batch_size"):
        small(resumed[0], recipe=replace(still(), batch_size=4))


@pytest.mark.parametrize("depths", [(8,), (8, 8), (8, 21), (2, 8), (8, 14.0), (8, True), ()])
def test_depths_are_of_the_family(depths, tmp_path):
    with pytest.raises(ValueError, match=r"depths must be .*6n \+ 2.*Received: depths="):
        small(tmp_path, depths=depths)


def test_a_recipe_of_ones_own_has_no_depths(tmp_path):
    with pytest.raises(ValueError, match=r"Received: depths=None"):
        small(tmp_path, depths=None)


@pytest.mark.parametrize("seeds", [0, -1, 1.0, True])
def test_seeds_are_a_number(seeds, tmp_path):
    with pytest.raises(ValueError, match="seeds must be"):
        small(tmp_path, seeds=seeds)


def test_other_data_need_a_recipe(tmp_path):
    with pytest.raises(ValueError, match=r"recipes for digits, cifar10.*Received: data='tiny'"):
        small(tmp_path, recipe=None)


@pytest.mark.parametrize("name", degradation_problem.DEPTHS)
def test_the_recipes_differ_from_net_to_net_in_shortcuts_and_depth_alone(name):
    chosen = recipe(name)
    kinds: tuple[Kind, ...] = ("plain", "residual")
    nets = [degradation_problem.with_network(chosen, kind, 20).network for kind in kinds]
    assert nets[0] != nets[1]
    assert replace(nets[0], row=nets[1].row) == nets[1]
    assert not chosen.network.zero_init_residual  # which would help the residual nets alone


@pytest.mark.parametrize(("kind", "family"), [("plain", "plainnet"), ("residual", "cifar_resnet")])
@pytest.mark.parametrize("depth", [20, 56, 110])
def test_the_nets_on_cifar_are_those_of_the_zoo(kind, family, depth):
    network = degradation_problem.with_network(degradation_problem.recipe_for("cifar10"), kind, depth).network
    assert network_spec(network) == replace(kres.spec(f"{family}{depth}"), params=None)


def test_data_with_a_recipe_bring_their_depths():
    assert degradation_problem.recipe_for("digits").name == "degradation_digits"
    assert degradation_problem.recipe_for("cifar10").name == "degradation_cifar10"
    assert degradation_problem.DEPTHS["degradation_cifar10"] == (20, 56)  # He et al. 2015, figure 1
