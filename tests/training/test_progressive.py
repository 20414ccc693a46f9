"""Training at several sizes, one after the other (Tan & Le 2021 call it progressive learning)."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from kres.training import Interrupted, fit, load_model
from kres.training.loop import Loop
from tests.training.tiny import tiny_recipe, tiny_source


def progressive():
    """Two steps at 8 pixels and two at 12; nothing but the phases' ends falls due in between."""
    tiny = tiny_recipe(steps=4, log_every_steps=4, checkpoint_every_steps=4)
    return replace(
        tiny,
        network=replace(tiny.network, depths=(1, 1, 1), width=0.5),
        images=replace(tiny.images, progressive_px=(8,), train_size_px=12, test_size_px=12),
    )


@pytest.mark.slow
def test_a_run_that_is_stopped_at_its_second_size_goes_on_there(tmp_path, monkeypatch):
    sizes = []
    steps, due = Loop.steps, Loop._due

    def noting(self, phase):
        for train_step, batch in steps(self, phase):
            sizes.append((self.step, tuple(batch[0].shape)))
            yield train_step, batch

    def ending_after_three_steps(self, every):
        if self.step == 3 and every == self.plan.evaluate_every_steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return due(self, every)

    monkeypatch.setattr(Loop, "steps", noting)
    whole = fit(progressive(), data=tiny_source(), workdir=tmp_path / "whole")
    small, large = (8, 8, 8, 3), (8, 12, 12, 3)
    assert sizes == [(0, small), (1, small), (2, large), (3, large)]
    assert [row.step for row in whole.history] == [2, 4]  # a readout never covers two sizes

    sizes.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_due", ending_after_three_steps)
        with pytest.raises(Interrupted, match="after step 3 of 4"):
            fit(progressive(), data=tiny_source(), workdir=tmp_path / "stopped")
    again = fit(progressive(), data=tiny_source(), workdir=tmp_path / "stopped", resume=True)
    assert sizes == [(0, small), (1, small), (2, large), (3, large)]
    assert [row.step for row in again.history] == [2, 3, 4]
    found, expected = (load_model(tmp_path / name).get_weights() for name in ("stopped", "whole"))
    for own, other in zip(found, expected, strict=True):
        # Without determinism sums may be taken in another order.
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)
