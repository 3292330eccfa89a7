"""The registry's database: its schema, its transactions, its timestamps."""
