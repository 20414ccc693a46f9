"""The tests mirror the tree; the one package file is this, so that every test can say `from tests.support import ...`."""
