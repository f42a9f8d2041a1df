"""The block protocols that come with tenmin, one TOML file each.

``_fields.toml`` says which fact is needed by which preparation, ``_events.toml`` which events
there are, ``_rules.toml`` which failures of the data end or mark any block.
"""
