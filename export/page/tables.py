"""Tables that stay readable on a telephone, where each row becomes a card with the column's name before each value."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Draw a table of cells that are HTML already; the first of each row names it."""
    # A browser forgets what a table is where its rows are drawn as blocks, so each element says what it is.
    titles = "".join(f'<th scope="col" role="columnheader">{title}</th>' for title in head)
    lines = []
    for first, *others in rows:
        cells = "".join(
            f'<td role="cell" data-label="{title}">{cell}</td>' for title, cell in zip(head[1:], others, strict=True)
        )
        lines.append(f'<tr role="row"><th scope="row" role="rowheader">{first}</th>{cells}</tr>')
    return (
        f'<table class="stacked" role="table"><thead role="rowgroup"><tr role="row">{titles}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(lines)}</tbody></table>'
    )
