"""The paper ledger: double entry in whole cents, from the opening over fills, funding and marks to the daily value."""
