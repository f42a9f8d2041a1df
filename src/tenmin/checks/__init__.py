"""What the core says of the quality of the samples."""
