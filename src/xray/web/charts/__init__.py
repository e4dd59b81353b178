"""Charts as numbers: where each bar, line and label stands, for templates to draw as SVG."""
