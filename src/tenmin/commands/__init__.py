"""The commands of ``tenmin``: one module per family, imported when it is called."""
