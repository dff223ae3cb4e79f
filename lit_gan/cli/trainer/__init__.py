"""`fit`, `validate`, `test`, `predict`: a run, its record and its end."""
