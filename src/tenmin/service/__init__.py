"""The wire between engine, clients and workers: the only ZeroMQ of the core."""
