"""``python -m workbench.driver.sizing RUN MOST``: how many runs like RUN this machine trains in one program.

A process of its own, as the machine that trains is not always the driver's. It prints a line of JSON: the
``size``, or why there is none.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from workbench.records.run import RunDirectory
from workbench.training.population.sizing import population_size
from workbench.training.population.vmappable import NotVmappable
from workbench.training.run import training_of
from workbench.training.trained_decoder import model_of


def size_said(found: dict[str, Any]) -> int:
    """The size, where such a process found one; raises what it met otherwise."""
    if "not_vmappable" in found:
        raise NotVmappable(*found["not_vmappable"])
    if "error" in found:
        raise RuntimeError(found["error"])
    return int(found["size"])


def main() -> None:
    """Measure, and print what was found."""
    run = RunDirectory(Path(sys.argv[1]))
    most = int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    record = run.read()
    model = model_of(run, record)
    training = training_of(run, record)
    device = record.config["training"]["device"]
    try:
        found: dict[str, Any] = {"size": population_size(model, training, device, most)}
    except NotVmappable as error:
        found = {"not_vmappable": [error.component, error.reason]}
    except Exception as error:  # the driver notes it, and has the trial itself meet it
        found = {"error": f"{type(error).__name__}: {error}"[-2000:]}
    answers.write(json.dumps(found) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
