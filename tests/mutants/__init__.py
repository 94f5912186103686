"""The product with one small fault in it at a time, and whether the tests that run the faulty line notice."""
