"""Binance's public archive as a bulk source: years of history in files, straight into the raw tables.

`names` says where a series' files stand, `tree` and `listing` which of them exist, `files` takes one file in
(checksum, safe unzip), `parse` reads it, `plan` chooses what a window needs, `importer` writes it, and `session`
puts them together for the command line.
"""
