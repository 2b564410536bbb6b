"""The nightly report: a decision as one self-contained HTML page, and an index over all nights.

`data.py` reads a release, `words.py`, `conditions.py` and `tonight.py` turn rows into sentences, `charts.py` and
`svg.py` into drawings, `page.py` and `index.py` fill the templates, and `files.py` writes. A page is a function of the
release alone: no clock, no network, no script.
"""
