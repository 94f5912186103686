"""The stock protocol as a model (stock.pml), searched through by spin: every order of every step."""
