"""Benchmarks: suites of data with one headline number, by which models are compared.

Lives here: what a suite says (`suite`), its images (`cases`), what models are compared with (`baselines`), figures and
ranks (`score`), results with the hashes by which they can be checked (`results`), the page (`page`). Lives not here:
metrics and what they suit (evaluate/), running a model and measuring its memory (commands/).
"""
