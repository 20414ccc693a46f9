"""What the tests of weights share as fixtures."""

from typing import Any

import pytest

from tests.support import skip_or_fail


@pytest.fixture
def torch_module() -> Any:
    try:
        import torch
    except ImportError:
        skip_or_fail("PyTorch, which reads .pth files, is not installed (the `torch` extra)")
    return torch
