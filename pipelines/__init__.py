"""Where the data go, in the order of the folders; `definitions.py` shows the same on one screen.

exchanges       ask an exchange, and bring its answer into typed frames (local_exchange: one without a network)
raw             append what was said, each row with when it was known; what breaks a rule goes to quarantine
[gate]          expectations: are tonight's rows fit to be calculated with?
transform       run dbt: staging, intermediate tables, marts; one row per day and coin, or per day and sector
signals         the state of each sector, with every rule, and what it means: reduce, hold, increase
portfolio       one night of everything that is held, from last night's books to the next ones:
                holdings (what the user says is held), ledger (fills, funding, marks in double entry),
                allocations (exact weights, coins, orders), hedges (the futures sleeve, with what it really offsets)
[gate]          expectations: are the marts and the decision complete, consistent and exact?
publish         one new file for all readers; the last one stays when a gate says no

The stages meet at the tables of the warehouse and never call one another.
"""
