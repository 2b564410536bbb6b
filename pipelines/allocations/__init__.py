"""From sector states to exact target weights: actions, allocation, the held book and its replay over days."""
