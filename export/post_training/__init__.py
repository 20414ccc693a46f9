"""int8 after training: ranges from images, and what wins back some of the loss."""
