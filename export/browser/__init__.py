"""The page that runs a TFLite file in a visitor's browser."""
