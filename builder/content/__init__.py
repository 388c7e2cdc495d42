"""What a workshop holds beside its system: repos with their data links, datasets, the landing page."""
