import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from common.scripts.plot import STYLE, learning_curve, plot_style, save_figure

PNG = b"\x89PNG\r\n\x1a\n"


def figure(**options):
    with plot_style():
        fig, ax = plt.subplots(**options)
        ax.plot([0, 1], [1, 0])
    return fig


def history(rows):
    return {
        "iteration": list(range(1, rows + 1)),
        "loss": [2.3 / i for i in range(1, rows + 1)],
        "train_acc": [1 - 0.9 / i for i in range(1, rows + 1)],
        "test_acc": [0.9 - 0.8 / i for i in range(1, rows + 1)],
    }


@pytest.mark.parametrize("size", [(7.0, 4.4), (3.0, 5.0)])
def test_a_figure_is_saved_as_png_in_its_size(tmp_path, capsys, size):
    path = tmp_path / "a.png"
    save_figure(figure(figsize=size), path)
    assert path.read_bytes().startswith(PNG)
    height, width, _ = plt.imread(path).shape
    assert (width, height) == tuple(round(side * STYLE["figure.dpi"]) for side in size)
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_palette_keeps_the_colours_of_thin_lines_beside_an_image(tmp_path):
    with plot_style():
        fig, (image, lines) = plt.subplots(1, 2, layout="none", dpi=100, figsize=(4, 2))
        image.imshow(np.linspace(0, 1, 1024).reshape(32, 32), cmap="RdBu_r")
        lines.plot([0, 1], [0, 1], lw=1, color=STYLE["axes.prop_cycle"].by_key()["color"][1])
    fig.canvas.draw()
    expected = np.asarray(fig.canvas.buffer_rgba())[..., :3] / 255
    save_figure(fig, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as written:
        assert written.mode == "P"
    found = plt.imread(tmp_path / "a.png")[..., :3]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.06)
    grid = (np.abs(expected - 0xDD / 255) < 1e-6).all(axis=2)
    assert grid.sum() > 100
    np.testing.assert_allclose(found[grid], 0xDD / 255, atol=0.005)


def test_only_the_saved_figure_is_closed(tmp_path):
    other, fig = figure(), figure()
    save_figure(fig, tmp_path / "a.png")
    assert plt.get_fignums() == [other.number]


def test_the_same_figure_gives_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        save_figure(figure(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_picture_that_cannot_be_written_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        save_figure(figure(), tmp_path / "nowhere" / "a.png")


def test_without_a_display_show_says_so_and_the_file_is_there(tmp_path, capsys):
    save_figure(figure(), tmp_path / "a.png", show=True)
    assert "there is no display to show it on" in capsys.readouterr().out
    assert (tmp_path / "a.png").exists()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("show", [False, True])
def test_a_window_is_opened_only_on_request_and_after_saving(tmp_path, monkeypatch, show):
    shown = []
    monkeypatch.setattr(
        plt, "show", lambda: shown.append((plt.get_fignums(), (tmp_path / "a.png").exists()))
    )
    fig = figure()
    number = fig.number
    monkeypatch.setattr(type(fig.canvas), "required_interactive_framework", "qt")
    save_figure(fig, tmp_path / "a.png", show=show)
    assert shown == ([([number], True)] if show else [])


def test_the_style_ends_with_its_context():
    before = mpl.rcParams["axes.grid"], mpl.rcParams["figure.dpi"]
    with plot_style():
        assert mpl.rcParams["figure.dpi"] == STYLE["figure.dpi"]
    assert (mpl.rcParams["axes.grid"], mpl.rcParams["figure.dpi"]) == before


def test_the_colours_stay_apart_in_grey():
    colors = [entry["color"] for entry in STYLE["axes.prop_cycle"]]
    luminance = [np.dot(mpl.colors.to_rgb(color), (0.299, 0.587, 0.114)) for color in colors[:2]]
    assert len(set(colors)) == len(colors)
    assert abs(luminance[0] - luminance[1]) > 0.2


@pytest.mark.parametrize("rows", [1, 2, 500])
def test_a_learning_curve_draws_every_row(tmp_path, rows):
    columns = history(rows)
    fig = learning_curve(columns)
    above, below = fig.axes
    drawn = [line.get_xydata().T for line in (*above.lines, *below.lines)]
    for (x, y), name in zip(drawn, ("loss", "train_acc", "test_acc"), strict=True):
        np.testing.assert_array_equal(x, columns["iteration"])
        np.testing.assert_array_equal(y, columns[name])
    save_figure(fig, tmp_path / "a.png")
    assert plt.imread(tmp_path / "a.png").std() > 0


def test_a_learning_curve_has_labels_with_units_and_a_legend():
    fig = learning_curve(history(20))
    above, below = fig.axes
    assert above.get_ylabel() == "loss (nats)"
    assert below.get_ylabel() == "accuracy"
    assert "iteration" in below.get_xlabel()
    assert above.get_title() != ""
    training, test = (text.get_text() for text in below.get_legend().get_texts())
    assert training == "training digits"
    assert test.startswith("test digits")
    assert f"{history(20)['test_acc'][-1]:.3f}" in test


def test_a_learning_curve_shows_the_whole_scale_and_all_losses():
    columns = history(20)
    above, below = learning_curve(columns).axes
    assert below.get_ylim() == (0, 1)
    low, high = above.get_ylim()
    assert low == 0
    assert high > max(columns["loss"])


@pytest.mark.parametrize(("lowest", "bottom"), [(0.91, 0.9), (0.89, 0), (0.1, 0)])
def test_accuracies_that_are_all_high_are_shown_from_closer_up(lowest, bottom):
    columns = history(5)
    columns["train_acc"] = [0.95, 0.96, 0.97, 0.98, 1.0]
    columns["test_acc"] = [lowest, 0.95, 0.95, 0.96, 0.96]
    _, below = learning_curve(columns).axes
    assert below.get_ylim() == (bottom, 1)


# Two runs in one picture


OTHER = {  # of other iterations than history()
    "iteration": [1, 10, 40],
    "loss": [4.0, 2.0, 1.0],
    "train_acc": [0.2, 0.5, 0.75],
    "test_acc": [0.1, 0.4, 0.7],
}


def beside(columns, name="output/other", **other):
    return learning_curve(columns, beside=(name, OTHER | other))


def test_a_run_beside_is_drawn_as_wide_bands_behind_lines_of_the_same_colours():
    columns = history(20)
    above, below = beside(columns).axes
    loss, loss_band = above.lines
    training, test, training_band, test_band = below.lines
    pairs = {
        "loss": (loss, loss_band),
        "train_acc": (training, training_band),
        "test_acc": (test, test_band),
    }
    for name, (line, band) in pairs.items():
        np.testing.assert_array_equal(line.get_xdata(), columns["iteration"])
        np.testing.assert_array_equal(line.get_ydata(), columns[name])
        np.testing.assert_array_equal(band.get_xdata(), OTHER["iteration"])
        np.testing.assert_array_equal(band.get_ydata(), OTHER[name])
        assert band.get_color() == line.get_color()
        assert band.get_linewidth() > 2 * line.get_linewidth()
        assert band.get_zorder() < line.get_zorder()
        assert band.get_alpha() < 0.5


def test_a_run_beside_is_named_in_the_legend_with_its_last_accuracy():
    _, below = beside(history(20)).axes
    *_, name = (text.get_text() for text in below.get_legend().get_texts())
    assert name == "wide bands: output/other (test 0.700)"
    assert len(below.get_legend().get_texts()) == 3


def test_a_picture_of_two_runs_shows_all_losses_and_iterations_of_both():
    for columns in (history(2), history(200)):
        above, below = beside(columns).axes
        assert above.get_ylim()[0] == 0
        assert above.get_ylim()[1] > max(4.0, *columns["loss"])
        assert below.get_xlim()[0] == 0
        assert below.get_xlim()[1] >= max(40, *columns["iteration"])


def test_two_runs_of_one_row_each_can_be_drawn(tmp_path):
    one = {name: values[:1] for name, values in OTHER.items()}
    save_figure(beside(history(1), **one), tmp_path / "a.png")
    assert plt.imread(tmp_path / "a.png").std() > 0


def test_high_accuracies_are_shown_from_closer_up_only_if_those_beside_are_high_too():
    columns = history(3) | {"train_acc": [0.95, 0.96, 0.97], "test_acc": [0.94, 0.95, 0.95]}
    _, below = beside(columns).axes
    assert below.get_ylim() == (0, 1)


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(20),
        pytest.param(60),
    ],
)
def test_the_legend_of_two_runs_is_inside_of_the_picture(length):
    fig = beside(history(20), name="o" * length)
    fig.canvas.draw()
    for text in fig.axes[1].get_legend().get_texts():
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= fig.bbox.x1
