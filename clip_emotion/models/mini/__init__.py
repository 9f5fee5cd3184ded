"""The bundled mini: its towers, its encoder and its backbone."""
