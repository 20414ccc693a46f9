"""The tests mirror the tree; each folder is a package, so that tests can share helpers: tests.support, for one."""
