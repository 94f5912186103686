"""Examining the peers: what each read of theirs answers, what inventory does with stock, what settings follow from it.

`reads` changes nothing. `stock_trials` reserves and releases units of one product, which `trial_stock` counts and gives
back. Each question that was put is a `Finding`; `suggestions` sets what follows beside the settings as they are.
"""
