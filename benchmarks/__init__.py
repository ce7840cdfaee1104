"""What the pipeline costs next to its limits, and to what others would use instead."""
