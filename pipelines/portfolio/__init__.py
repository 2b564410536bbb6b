"""The whole portfolio, night after night: fills, marks, allocation, orders, futures sleeve, books."""
