"""What `workshop` does inside a guest. Python's standard library only, 3.9 or newer."""
