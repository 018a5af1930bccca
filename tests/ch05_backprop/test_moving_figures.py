"""The stepped backward pass, and the decision boundary that training moves."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch05_backprop import backward_steps, decision_boundary
from ch05_backprop.graph_by_hand import bill


def test_the_steps_end_at_the_bills_derivatives():
    edges = backward_steps.backward_edges()
    assert len(edges) == backward_steps.STEPS - 2
    _, derivatives = bill(*backward_steps.PRICES.values())
    found = {e.source: e.gradient for e in edges if e.source in backward_steps.PRICES}
    assert found == pytest.approx({k.replace("_", " "): v for k, v in derivatives.items()})


def test_the_upstream_gradient_of_an_edge_is_there_before_it_is_used():
    known = {"tax ×": 1.0}
    for edge in backward_steps.backward_edges():
        assert edge.upstream == known[edge.node]
        known[edge.source] = edge.gradient


@pytest.mark.parametrize("step", range(backward_steps.STEPS))
def test_a_step_shows_its_product_and_no_later_gradient(step):
    [ax] = backward_steps.draw_step(step).axes
    edges = backward_steps.backward_edges()
    gradients = [text for text in ax.texts if text.get_gid().endswith("-derivative")]
    shown = [text.get_text() for text in gradients if text.get_visible()]
    expected = [1.0, *(edge.gradient for edge in edges)][:step]
    assert sorted(shown) == sorted(f"{gradient:g}" for gradient in expected)
    marked = [patch for patch in ax.patches if patch.get_linewidth() == 3]
    assert len(marked) == (step > 0)
    if step > 1:
        edge = edges[step - 2]
        values = {text.get_gid(): text.get_text() for text in ax.texts}
        assert values[f"{marked[0].get_gid()}-above"] == f"{edge.value:g}"
        assert values[f"{marked[0].get_gid()}-derivative"] == f"{edge.gradient:g}"
        caption = f"upstream {edge.upstream:g} × local {edge.local:g} = {edge.gradient:g}"
        assert caption in values.values()


def test_training_separates_the_arms():
    rng = np.random.default_rng(0)
    x, t = decision_boundary.spiral(rng=rng)
    assert x.shape == (120, 2)
    assert np.array_equal(np.bincount(t), [60, 60])
    seen = decision_boundary.train(x, t, decision_boundary.ITERATIONS, rng=rng)
    accuracies = [accuracy for _, accuracy in seen.values()]
    assert accuracies[0] < 0.7
    assert accuracies[-1] == 1
    margin, accuracy = seen[1000]
    nearest = np.abs(x[:, :, None] - decision_boundary.GRID).argmin(axis=2)
    assert np.mean((margin[nearest[:, 1], nearest[:, 0]] > 0) == t) > 0.95
    assert "1.00" in decision_boundary.draw(x, t, margin, accuracy).axes[0].get_title()


def test_both_scripts_write_their_figures(tmp_path, capsys):
    backward_steps.main(["--output", str(tmp_path / "steps")])
    decision_boundary.main(["--output", str(tmp_path / "boundary")])
    assert len(list(tmp_path.rglob("*.png"))) == 10 + len(decision_boundary.ITERATIONS)
    assert "1.000" in capsys.readouterr().out
    assert plt.get_fignums() == []
