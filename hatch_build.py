"""Build guard: a checkout without symbolic links would make a wheel without kres.training and kres.export."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STAGES = ("training", "export")


class LinkedStages(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        missing = [stage for stage in STAGES if not Path(self.root, "kres", stage, "__init__.py").is_file()]
        if missing:
            paths = " ".join(f"kres/{stage}" for stage in missing)
            raise RuntimeError(
                f"{paths}: not a folder with an __init__.py. In a checkout these are symbolic links to the folders of "
                f"the same name at the top level, and this checkout was made without them (Windows' default). Mend it "
                f"with: git config core.symlinks true && git checkout -- {paths}"
            )
