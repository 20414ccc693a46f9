"""From a Keras model to the files' graphs: what is exported, and the converters that write it."""
