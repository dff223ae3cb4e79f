"""Figures of a game: what callbacks draw while it trains, and `lit-gan figures` and a report afterwards."""
