import ast
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

import kres.training
from kres.training.recipes import Recipe, list_recipes, recipe

BASE = recipe("cifar_resnet20")


def test_there_is_a_recipe_a_file():
    assert list_recipes() == ["cifar_resnet20", "digits_resnet20"]
    for name in list_recipes():
        assert recipe(name).name == name


def test_a_docstring_says_paper_command_hardware_and_score():
    for name in list_recipes():
        text = (Path(kres.training.__file__).parent / "recipes" / f"{name}.py").read_text()
        docstring = ast.get_docstring(ast.parse(text)) or ""
        for word in ("arXiv", "Command:", "Hardware:", "Expected:"):
            assert word in docstring, (name, word)
        assert f"kres train {name} --data" in docstring


def test_cifar_resnet20_is_the_papers():
    """He et al. 2015, section 4.2."""
    assert (BASE.batch_size, BASE.learning_rate, BASE.momentum, BASE.weight_decay) == (128, 0.1, 0.9, 1e-4)
    assert (BASE.decay_at_steps, BASE.decay_factor, BASE.steps) == ((32_000, 48_000), 0.1, 64_000)
    assert (BASE.image_size_px, BASE.padding_px, BASE.flip) == (32, 4, True)


def test_an_unknown_name_names_the_closest():
    with pytest.raises(ValueError, match=r"closest: cifar_resnet20.*Received: 'cifar_resnet2'"):
        recipe("cifar_resnet2")


def _read_from_a_recipe():
    """Names of the attributes that code outside recipes/ reads from something called a recipe."""
    found = set()
    folder = Path(kres.training.__file__).parent
    for path in folder.rglob("*.py"):
        if path.parent.name == "recipes":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                if name in ("recipe", "chosen"):
                    found.add(node.attr)
    return found


def test_every_field_is_read_by_code():
    unread = {field.name for field in fields(Recipe)} - _read_from_a_recipe()
    assert not unread, f"recipe fields that no code reads: {sorted(unread)}"


BAD = {
    "name": 3,
    "model": "cifar_resnet21",
    "zero_init_residual": "yes",
    "compute_dtype": "float64",
    "image_size_px": 0,
    "mean": (0.5,),
    "std": (0.5, 0.0, 0.5),
    "interpolation": "lanczos",
    "crop": 1.5,
    "padding_px": -1,
    "flip": 1,
    "batch_size": -8,
    "steps": 2.5,
    "learning_rate": float("nan"),
    "warmup_steps": 64_000,
    "warmup_learning_rate": -0.1,
    "decay_at_steps": (48_000, 32_000),
    "decay_factor": 10.0,
    "momentum": 1.0,
    "weight_decay": -1e-4,
    "log_every_steps": 0,
    "evaluate_every_steps": 0,
    "checkpoint_every_steps": 0,
    "keep_checkpoints": 0,
}


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe)])
def test_every_field_refuses_nonsense(field):
    with pytest.raises(ValueError, match=r"Received: ") as caught:
        replace(BASE, **{field: BAD[field]})
    assert str(BAD[field]) in str(caught.value)


@pytest.mark.parametrize("late", [(64_000,), (0, 5)])
def test_decays_lie_within_the_run(late):
    with pytest.raises(ValueError, match=r"decay_at_steps"):
        replace(BASE, decay_at_steps=late)


def test_another_length_keeps_the_shape_of_the_schedule():
    short = recipe("digits_resnet20").with_steps(100)
    assert (short.steps, short.warmup_steps, short.decay_at_steps) == (100, 7, (50, 75))
    for steps in (1, 2, 3):
        tiny = recipe("digits_resnet20").with_steps(steps)
        assert tiny.steps == steps and all(step < steps for step in tiny.decay_at_steps)
    with pytest.raises(ValueError, match=r"Received: steps=0"):
        BASE.with_steps(0)


def test_a_stored_recipe_comes_back():
    stored = json.loads(json.dumps(BASE.to_dict()))
    assert Recipe.from_dict(stored) == BASE
    del stored["steps"]
    with pytest.raises(ValueError, match=r"They differ in: \['steps'\]"):
        Recipe.from_dict(stored)
