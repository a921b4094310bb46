"""How the code works, drawn."""
