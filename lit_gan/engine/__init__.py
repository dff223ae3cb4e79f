"""What keeps a game exact inside Lightning: batches taken apart, and the contracts of users' parts."""
