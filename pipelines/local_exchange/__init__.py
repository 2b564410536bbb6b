"""An HTTP server on loopback that speaks the exchanges' own wire formats over a market it is given.

Unmodified ccxt clients work against it with nothing changed but where their requests go. It speaks for
Binance (spot, USD-margined, coin-margined), Bybit v5, BingX, WEEX v3, MEXC, Bitget v2 and OKX v5.
"""
