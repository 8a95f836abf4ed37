"""Which commands does `bakeoff` have? One per file of this folder whose name has no leading underscore."""
