"""Checks of what was built, or comes from elsewhere, before it reaches a stranger's laptop."""
