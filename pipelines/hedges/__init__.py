"""The futures sleeve: the hedge of overbought assets and what it does in every scenario."""
