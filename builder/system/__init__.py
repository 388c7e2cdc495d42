"""The operating system and language environment of a workshop, built by an engine from a Dockerfile."""
