"""How far a result can be trusted: calibration, fit, error maps, explanations.

Submodules are imported by their full path, so that each costs only what it needs. Lives not here: metrics (metrics/),
training (train/), commands.
"""
