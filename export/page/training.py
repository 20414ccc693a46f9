"""How the training went."""

from kres.export.page.charts import line_chart
from kres.export.page.contents import Page


def curves(page: Page) -> str:
    """Draw loss and accuracies over the epochs."""

    def points(name: str) -> list[tuple[float, float]]:
        found = ((row["epoch"], row.get(name)) for row in page.history)
        return [(x, y) for x, y in found if x is not None and y is not None]

    accuracies = {"training": points("accuracy"), "test": points("test_accuracy")}
    losses = {"training": points("loss")}
    charts = [
        line_chart(losses, title="Loss", x_label="epoch") if any(losses.values()) else "",
        line_chart(accuracies, title="Accuracy", x_label="epoch", percent=True) if any(accuracies.values()) else "",
    ]
    return f'<div class="row">{"".join(charts)}</div>' if any(charts) else ""
