"""The parts of the benchmark `train`, one module per section, and what they share.

A section is a module with `run(options, record)`, which yields figures as `bioimg_fiji`'s benchmarks give them. Every
measurement goes through `record`, so that a run that was broken off goes on where it was.
"""
