"""exitwave: atoms in, trained network out."""
