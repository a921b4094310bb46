"""What the book costs on a cluster."""
