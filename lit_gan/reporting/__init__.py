"""Pictures of what was measured, for people who read them."""
