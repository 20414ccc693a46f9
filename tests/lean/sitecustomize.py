"""Python runs this as it starts where `tests.support.lean` put the folder on its path.

TensorFlow's converter imports JAX where it is installed and Keras scikit-learn, which takes a fourth of a process's
start; kres needs neither, and most who use it have neither. tests/cli/test_demo.py starts without this, as kres works
where both are found, too.
"""

import sys

for name in ("jax", "sklearn"):
    sys.modules[name] = None  # type: ignore[assignment] # an import of it raises ModuleNotFoundError
