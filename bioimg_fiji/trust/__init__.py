"""How far a result can be trusted: calibrated confidence, whether a model fits an image, error maps, explanations.

Lives here: what is measured of a result beside the result itself, and what a package keeps for it. Lives not here:
running a model (predict/), training it, metrics with a known truth. Nothing is exported: import the submodules.
"""
