"""TFLite files as such: their tables, their operators and tensors, the metadata that they carry."""
