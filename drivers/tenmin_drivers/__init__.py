"""The drivers that ship with tenmin: one module per device."""
