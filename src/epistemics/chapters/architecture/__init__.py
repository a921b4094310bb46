"""How the code is laid out."""
