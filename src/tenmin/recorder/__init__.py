"""Journal, finaliser, recovery: from samples in flight to a validated NWB file."""
