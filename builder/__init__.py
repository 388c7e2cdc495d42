"""Workshop image builder: manifest → lock → fetch → store → tree → system → image → appliance."""

__version__ = "0.1.0"
