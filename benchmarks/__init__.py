"""What the pipeline costs next to what it could cost at best; each prints figures of one run."""
