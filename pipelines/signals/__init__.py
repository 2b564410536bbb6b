"""Sector states from futures-market metrics, every night and for every past day, with their explanation."""
