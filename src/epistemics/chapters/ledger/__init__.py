"""The log's claims, all of them."""
