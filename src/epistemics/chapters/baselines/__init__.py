"""What a cut has to be compared with."""
