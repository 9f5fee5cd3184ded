"""An encoder against labelled rows."""
