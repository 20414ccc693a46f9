"""What happens between a command line that was understood and the work it asks for."""

from typing import Any

import typer.core


class Command(typer.core.TyperCommand):
    """A command whose work begins with the function in its context's `obj`, where there is one."""

    def invoke(self, ctx: Any) -> object:
        """Call that function, then the command's own."""
        if ctx.obj is not None:
            ctx.obj()
        return super().invoke(ctx)
