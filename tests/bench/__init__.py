"""Measurements of the service under much data; no tests."""
