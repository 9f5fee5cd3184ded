"""From emotions to affection: equations, weights, change points, the scorer."""
