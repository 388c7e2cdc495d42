"""Layers, and the images made of them: as an OCI layout and as one archive that every engine loads."""
