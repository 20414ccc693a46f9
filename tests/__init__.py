"""The tests mirror the tree. This is the one package file: with it every test can import tests.support."""
