"""Artefacts that are planted into results, for the benchmark `trust-artefacts` and the tests."""
