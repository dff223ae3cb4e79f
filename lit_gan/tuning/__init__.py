"""Runs a W&B sweep file on one's own machines: Optuna, one journal file, no server.

Only `lit-gan sweep` needs it, and only with the extra ``lit-gan[sweep]``: nothing here is imported by anything else.
"""
