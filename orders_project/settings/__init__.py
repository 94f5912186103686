"""One base, driven by the environment; `development`, `production` and `test` are thin on top of it."""
