"""Simulated devices: the far side of each wire, written from the manual, not from the driver."""
