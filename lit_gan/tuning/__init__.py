"""Runs a W&B sweep file on one's own machines: Optuna, one journal file, no server.

Only `lit-gan sweep` needs it, and `lit-gan submit` for a job that works on a sweep; both with the extra
``lit-gan[sweep]`` alone.
"""
