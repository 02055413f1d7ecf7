"""Pictures of images: where a network looks, and the mistakes that it is surest of."""

from __future__ import annotations

from typing import Any

from trainer.plots.drawing import WIDTH, Drawing, figure, short

MOST_MISTAKES, ACROSS = 12, 6
GREY = "gray"


def saliency_drawing(mean: Any, saliency: Any) -> Drawing:
    """The mean image and the mean size of the gradient by each pixel, both (height, width)."""
    row, column = divmod(int(saliency.argmax()), saliency.shape[1])
    title = f"The network looks most at row {row}, column {column}"
    made, (left, right) = figure(title, 1.6 * WIDTH, panels=2)
    for panel, values, name, colours in ((left, mean, "mean image", GREY), (right, saliency, "saliency", "magma")):
        panel.imshow(values, cmap=colours)
        panel.set_title(name, fontsize=10, fontweight="normal")
        panel.set_axis_off()
    alt = f"{title}, of {saliency.shape[0]} by {saliency.shape[1]} pixels, by the mean size of the gradient."
    return Drawing("saliency", title, alt, made)


def mistakes_drawing(pixels: Any, answers: list[tuple[Any, Any, float]], wrong: int, rows: int) -> Drawing:
    """The mistakes that the model is surest of: images (n, channels, height, width), each with its answer.

    An answer is the true class, the predicted one and its probability; `wrong` of `rows` test images have another.
    """
    import numpy as np

    title = f"{wrong:,} of {rows:,} test images are taken for another class"
    lines = -(-len(answers) // ACROSS)
    made, panels = figure(title, 1.6 * WIDTH, 1.6 * lines + 0.6, panels=ACROSS, lines=lines)
    for panel in np.atleast_1d(panels).ravel():
        panel.set_axis_off()
    for panel, content, (true, called, sure) in zip(np.atleast_1d(panels).ravel(), pixels, answers, strict=False):
        image = content.transpose(1, 2, 0)
        panel.imshow(image if image.shape[2] > 1 else image[:, :, 0], cmap=GREY)
        panel.set_title(f"{short(true)} taken for {short(called)}, {sure:.0%}", fontsize=8, fontweight="normal")
    told = ", ".join(f"{true} for {called} ({sure:.0%})" for true, called, sure in answers)
    return Drawing("mistakes", title, f"{title}; those with the highest probability: {told}.", made)
