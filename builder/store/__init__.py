"""Every byte once, named by its sha256."""
