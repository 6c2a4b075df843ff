"""What stands in a saved plan beside the plan: the state that it was made with.

Source   Terraform 1.11, internal/plans/planfile: a zip archive. `tfstate` is the refreshed state under the
         lineage and serial of the stored one, by which Terraform itself tells a stale plan; those of
         `tfstate-prev` are not filled in (observed). OpenTofu has the same.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from engine.errors import TerraformError

_STATE = "tfstate"


def planned_state(path: Path) -> tuple[str, int]:
    """Lineage and serial of the state that a saved plan goes by.

    Raises   TerraformError for what is no plan file
    """
    try:
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read(_STATE))
        return str(state["lineage"]), int(state["serial"])
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise TerraformError(
            f"{path.name} is no plan file that the engine knows ({type(error).__name__}).",
            hint="Plan again. If this repeats, report it with the version of Terraform.",
        ) from error
