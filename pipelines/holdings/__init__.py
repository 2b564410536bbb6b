"""What the user holds: `portfolio.yml`, and where its numbers may come from (a CSV file, an exchange)."""
