"""`sweep`: a W&B sweep file with no server."""
